package smtp

import (
	"testing"

	"eosproxy/internal/wire"
	"eosproxy/internal/wiretest"
)

func FuzzConversation(f *testing.F) {
	wiretest.Seed(f, wire.SMTP)
	f.Fuzz(func(t *testing.T, up, down []byte, refuse, replace int) {
		codec := NewCodec(func(string) bool { return true })
		wiretest.Converse(t, codec, up, down, wiretest.Mischief{Refuse: refuse, Replace: replace, Code: "451"})
	})
}
