// Package loopback keeps the proxy off the network: unless told otherwise it neither listens on nor connects to
// addresses that other machines could reach.
package loopback

import (
	"fmt"
	"net"
	"net/netip"
)

// A Policy says which addresses may be used.
type Policy struct {
	// AllowAny allows every address, for containers.
	AllowAny bool
}

// Check says what is wrong with an address of the form host:port.
func (p Policy) Check(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("address %q: it must be host:port", address)
	}
	if _, err := net.LookupPort("tcp", port); err != nil || port == "" {
		return fmt.Errorf("address %q: %q is no port", address, port)
	}
	if p.AllowAny || host == "localhost" {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return fmt.Errorf("address %q is not a loopback address; -allow-any-address would allow it", address)
	}
	return nil
}
