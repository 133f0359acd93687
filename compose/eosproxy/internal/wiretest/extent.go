package wiretest

import (
	"math/rand/v2"
	"testing"

	"eosproxy/internal/wire"
)

// Extent gives what an Extent covers of a text, in whatever pieces the text comes; -1 if it does not end, -2 if it
// cannot be read.
func Extent(t *testing.T, newExtent func() wire.Extent, text string) (covered int) {
	t.Helper()
	for trial := range uint64(20) {
		random := rand.New(rand.NewPCG(trial, 7))
		got := extent(newExtent(), text, func(most int) int {
			if trial == 0 {
				return most
			}
			return 1 + random.IntN(min(most, 4))
		})
		if trial > 0 && got != covered {
			t.Errorf("%q: covers %d in pieces, %d at once", text, got, covered)
		}
		covered = got
	}
	return covered
}

func extent(e wire.Extent, text string, piece func(most int) int) int {
	for at := 0; at < len(text); {
		n, done, err := e.Next([]byte(text[at : at+piece(len(text)-at)]))
		at += n
		switch {
		case err != nil:
			return -2
		case done:
			return at
		}
	}
	return -1
}
