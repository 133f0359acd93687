package http1

import (
	"strings"
	"testing"

	"eosproxy/internal/wire"
	"eosproxy/internal/wiretest"
)

func TestChunks(t *testing.T) {
	const next, all = "GET / HTTP/1.1\r\n", 0
	for text, want := range map[string]int{
		"0\r\n\r\n":             all,
		"3\r\nabc\r\n0\r\n\r\n": all,
		"3\nabc\n0\n\n":         all,
		"000A;x=\"y\" z\r\n0123456789\r\n0\r\n\r\n": all,
		"3 \r\n0\r\n\r\n0\r\nA: b\r\nC: d\r\n\r\n":  all,
		"2\r\n\r\n\r\n0\r\n\r\n":                    all,
		"3\r\nabc\r\n":                              -1,
		"3\r\nabc\r\n0\r\nA: b\r\n":                 -1,
		"x\r\n":                                     -2,
		"\r\n":                                      -2,
		";x\r\n":                                    -2,
		"3\r\nabcd\r\n":                             -2,
		"3\r\nabc\rx":                               -2,
		"fffffffffffffffff\r\n":                     -2,
		"1;" + strings.Repeat("x", maxLine) + "\r\n": -2,
	} {
		if want == all {
			want = len(text)
			text += next
		}
		if got := wiretest.Extent(t, func() wire.Extent { return &chunks{} }, text); got != want {
			t.Errorf("%.40q: covers %d, want %d", text, got, want)
		}
	}
}

func TestVocabulary(t *testing.T) {
	for name, valid := range map[string]bool{"POST": true, "M-SEARCH": true, "post": false, "": false, "GET /": false} {
		if err := CheckAPI(name); (err == nil) != valid {
			t.Errorf("%q: %v", name, err)
		}
	}
	for code, valid := range map[string]bool{"503": true, "404": true, "200": false, "600": false, "x": false} {
		if err := CheckCode("POST", code); (err == nil) != valid {
			t.Errorf("%q: %v", code, err)
		}
	}
}
