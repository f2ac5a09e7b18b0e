package middleware

import (
	"log/slog"
	"net/netip"
	"sync"
)

const (
	// proxyWindow is how many requests with an address behind that of their client are looked at together.
	proxyWindow = 500
	// proxyShare is the share of them, in percent, that one client must have to be taken for a proxy.
	proxyShare = 90
	// proxyClients is how many different addresses must stand behind it.
	proxyClients = 20
)

// proxyCheck warns once when nearly all clients seem to be one proxy that is not trusted: all of its users share one rate
// limit then.
type proxyCheck struct {
	log *slog.Logger

	mu      sync.Mutex
	seen    int
	clients map[netip.Addr]int
	behind  map[netip.Addr]bool
	warned  bool
}

// observe takes the address of a client and the one that X-Forwarded-For has behind it.
func (p *proxyCheck) observe(client, next netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.warned {
		return
	}
	if p.seen == 0 {
		p.clients, p.behind = map[netip.Addr]int{}, map[netip.Addr]bool{}
	}
	p.seen++
	p.clients[client]++
	p.behind[next] = true
	if p.seen < proxyWindow {
		return
	}
	p.seen = 0
	for addr, requests := range p.clients {
		if requests*100 >= proxyShare*proxyWindow && len(p.behind) >= proxyClients {
			p.warned = true
			p.log.Warn("nearly all requests seem to come from one proxy that is not trusted: set TRUSTED_PROXIES or CLIENT_IP_HEADER",
				"address", addr.String())
		}
	}
}
