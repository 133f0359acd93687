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
		if policy.AllowAny || r.Method == http.MethodGet || strings.Contains(r.URL.Path, "/toxics") {
			next.ServeHTTP(w, r)
			return
		}
		raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
		if err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		if err := checkProxies(policy, raw); err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(raw))
		next.ServeHTTP(w, r)
	})
}

// checkProxies checks the addresses of one proxy, or of a list of them as /populate takes it. What is no such thing
// is left for Toxiproxy to refuse.
func checkProxies(policy loopback.Policy, raw []byte) error {
	type proxy struct {
		Name     string `json:"name"`
		Listen   string `json:"listen"`
		Upstream string `json:"upstream"`
	}
	var proxies []proxy
	if json.Unmarshal(raw, &proxies) != nil {
		var one proxy
		if json.Unmarshal(raw, &one) != nil {
			return nil
		}
		proxies = []proxy{one}
	}
	for _, p := range proxies {
		for field, address := range map[string]string{"listen": p.Listen, "upstream": p.Upstream} {
			if address == "" { // keeps its value, or is refused by Toxiproxy
				continue
			}
			if err := policy.Check(address); err != nil {
				return fmt.Errorf("proxy %q: %s: %w", p.Name, field, err)
			}
		}
	}
	return nil
}
