package middleware

import (
	"net/http"
	"net/netip"
	"strings"
)

// clientIP gives the address that a request comes from. Everybody can write X-Forwarded-For, so
// only what our own proxies appended counts: from the right, the first address that is not one
// of them. The address is not valid when the peer has none, as on a Unix socket.
func clientIP(r *http.Request, proxies []netip.Prefix) netip.Addr {
	client := parseAddr(r.RemoteAddr)
	if !client.IsValid() || !contains(proxies, client) {
		return client
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop := parseAddr(strings.TrimSpace(hops[i]))
		if !hop.IsValid() {
			return client // a proxy that writes nonsense is as far as we can see
		}
		client = hop
		if !contains(proxies, hop) {
			return client
		}
	}
	return client
}

// parseAddr reads an address with or without a port.
func parseAddr(s string) netip.Addr {
	if addrPort, err := netip.ParseAddrPort(s); err == nil {
		return addrPort.Addr().Unmap().WithZone("")
	}
	addr, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, prefix := range prefixes {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}
