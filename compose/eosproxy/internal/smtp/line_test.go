package smtp

import (
	"errors"
	"testing"

	"eosproxy/internal/wire"
	"eosproxy/internal/wiretest"
)

func TestContent(t *testing.T) {
	for text, want := range map[string]int{
		".\r\n":              3,
		"a\r\n.\r\n":         6,
		"..\r\n.a\r\n.\r\n":  11,
		"a\r\n.\rb\r\n.\r\n": 11,
		"a\r\r\n.\r\n":       7,
		"a\n.\n":             -1, // only a line of its own ends it
		"a\r\n.\n":           -1,
		"a.\r\n":             -1,
		"a\r\n.":             -1,
		"a\r\n.\r":           -1,
		"":                   -1,
	} {
		if want > 0 {
			text += "QUIT\r\n"
		}
		if got := wiretest.Extent(t, func() wire.Extent { return &content{} }, text); got != want {
			t.Errorf("%q: covers %d, want %d", text, got, want)
		}
	}
}

func TestReplies(t *testing.T) {
	for text, want := range map[string]struct{ total, code int }{
		"250 OK\r\n220":                   {8, 250},
		"250\r\n":                         {5, 250},
		"250-a\r\n250-b\r\n250 c\r\nrest": {21, 250},
		"354 go on\n":                     {10, 354},
	} {
		if total, code, err := reply(&wiretest.Stream{Rest: []byte(text)}); total != want.total || code != want.code || err != nil {
			t.Errorf("%q: %d bytes, code %d, %v", text, total, code, err)
		}
	}
	var unreadable *wire.Unreadable
	for _, text := range []string{"\r\n", "25\r\n", "abc\r\n", "999 x\r\n", "250-a\r\nx\r\n"} {
		if _, _, err := reply(&wiretest.Stream{Rest: []byte(text)}); !errors.As(err, &unreadable) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCommands(t *testing.T) {
	for line, want := range map[string]command{
		"MAIL FROM:<a>\r\n": {verb: "MAIL"},
		"quit\r\n":          {verb: "QUIT"},
		"BDAT 10 LAST\r\n":  {verb: "BDAT", size: 10},
		"bdat 0\n":          {verb: "BDAT"},
	} {
		if got, odd := parseCommand([]byte(line)); got != want || odd != "" {
			t.Errorf("%q: %+v, %s", line, got, odd)
		}
	}
	for _, line := range []string{"\r\n", "\xff\r\n", "MAIL: x\r\n", "BDAT\r\n", "BDAT -1\r\n", "BDAT 99999999999\r\n"} {
		if got, odd := parseCommand([]byte(line)); odd == "" || got.size != 0 {
			t.Errorf("%q: %+v", line, got)
		}
	}
}

func TestVocabulary(t *testing.T) {
	for name, valid := range map[string]bool{"DATA": true, "data": false, "POST": false} {
		if err := CheckAPI(name); (err == nil) != valid {
			t.Errorf("%q: %v", name, err)
		}
	}
	for code, valid := range map[string]bool{"451": true, "550": true, "250": false, "x": false} {
		if err := CheckCode("DATA", code); (err == nil) != valid {
			t.Errorf("%q: %v", code, err)
		}
	}
}
