package middleware

import (
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Clients says how the address of a client is found.
type Clients struct {
	// Proxies are the peers that are believed.
	Proxies []netip.Prefix
	// Header is the header in which they send the client's address; empty: X-Forwarded-For.
	Header string
	// Log receives a warning when nearly all clients seem to be one proxy.
	Log *slog.Logger
}

// clientAddr returns the address of the client of r, which is invalid if the peer has none, as on a Unix socket. next is
// what X-Forwarded-For says stands behind the client, if anything: a client may have made it up. The header is read
// from the right, up to the first address that is not one of the proxies.
func (c Clients) clientAddr(r *http.Request) (client, next netip.Addr) {
	client = parseAddr(r.RemoteAddr)
	if c.Header != "" && isProxy(client, c.Proxies) {
		if named := parseAddr(strings.TrimSpace(strings.Join(r.Header.Values(c.Header), ","))); named.IsValid() {
			return named, next
		}
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop := parseAddr(strings.TrimSpace(hops[i]))
		if !isProxy(client, c.Proxies) || !hop.IsValid() {
			return client, hop
		}
		client = hop
	}
	return client, next
}

func isProxy(addr netip.Addr, proxies []netip.Prefix) bool {
	return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

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
