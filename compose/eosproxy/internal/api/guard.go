package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"eosproxy/internal/loopback"
)

// guard keeps Toxiproxy to the address policy: it looks into the requests that create or change proxies.
func guard(policy loopback.Policy, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		creating := r.URL.Path == "/proxies" || r.URL.Path == "/populate"
		changing := strings.HasPrefix(r.URL.Path, "/proxies/") // or a toxic, which has no addresses
		if policy.AllowAny || r.Method == http.MethodGet || !creating && !changing {
			next.ServeHTTP(w, r)
			return
		}
		raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
		if err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		if err := checkProxies(policy, raw, changing); err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(raw))
		next.ServeHTTP(w, r)
	})
}

// A proxy as Toxiproxy takes it. Without an address to listen on it would listen on all of them.
type proxy struct {
	Name     string  `json:"name"`
	Listen   *string `json:"listen"`
	Upstream *string `json:"upstream"`
}

// checkProxies checks the addresses of one proxy, or of a list of them as /populate takes it; a proxy that is changed
// keeps the addresses that are not given. What cannot be read is left for Toxiproxy to refuse: like it, this reads
// the first JSON value.
func checkProxies(policy loopback.Policy, raw []byte, changing bool) error {
	var proxies []proxy
	if json.NewDecoder(bytes.NewReader(raw)).Decode(&proxies) != nil {
		var one proxy
		if json.NewDecoder(bytes.NewReader(raw)).Decode(&one) != nil {
			return nil
		}
		proxies = []proxy{one}
	}
	for _, p := range proxies {
		if p.Listen == nil && !changing {
			return fmt.Errorf("proxy %q: listen: missing", p.Name)
		}
		for field, address := range map[string]*string{"listen": p.Listen, "upstream": p.Upstream} {
			if address == nil {
				continue
			}
			if err := policy.Check(*address); err != nil {
				return fmt.Errorf("proxy %q: %s: %w", p.Name, field, err)
			}
		}
	}
	return nil
}
