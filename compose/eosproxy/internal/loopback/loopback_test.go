package loopback

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for address, wrong := range map[string]string{
		"127.0.0.1:8474":      "",
		"127.22.101.3:29200":  "",
		"[::1]:0":             "",
		"localhost:9092":      "",
		"0.0.0.0:9092":        "not a loopback address",
		":9092":               "not a loopback address",
		"[::]:9092":           "not a loopback address",
		"192.0.2.1:9092":      "not a loopback address",
		"128.0.0.1:9092":      "not a loopback address",
		"broker:9092":         "not a loopback address",
		"localhost.evil:9092": "not a loopback address",
		"127.0.0.1":           "must be host:port",
		"":                    "must be host:port",
		"127.0.0.1:":          "is no port",
		"127.0.0.1:70000":     "is no port",
		"127.0.0.1:-1":        "is no port",
		"127.0.0.1:kafka!":    "is no port",
	} {
		switch err := (Policy{}).Check(address); {
		case wrong == "" && err != nil:
			t.Errorf("%q: %v", address, err)
		case wrong != "" && (err == nil || !strings.Contains(err.Error(), wrong)):
			t.Errorf("%q: %v, want %q", address, err, wrong)
		}
	}
	for address, ok := range map[string]bool{":9092": true, "broker:9092": true, "127.0.0.1": false, "broker:x!": false} {
		if err := (Policy{AllowAny: true}).Check(address); (err == nil) != ok {
			t.Errorf("%q, if any is allowed: %v", address, err)
		}
	}
}
