package middleware

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

const (
	// proxyWindow is how many requests are looked at together.
	proxyWindow = 300
	// proxyShare is the share of them, in percent, that one client must have to be taken for a proxy.
	proxyShare = 90
	// proxyClients is how many different addresses must stand behind it.
	proxyClients = 20
)

// warnAgain is after how long a proxy that is still there is worth another warning.
const warnAgain = time.Hour

// proxyCheck warns, at most once in warnAgain, when nearly all clients seem to be one proxy that is not trusted: all of
// its users share one rate limit then.
type proxyCheck struct {
	log *slog.Logger

	mu      sync.Mutex
	seen    int
	clients map[netip.Addr]int
	behind  map[netip.Addr]bool
	warned  time.Time
}

// observe takes the address of a client and the one that X-Forwarded-For has behind it, if any. A client can make that one
// up: it must have nearly all requests to be taken for a proxy.
func (p *proxyCheck) observe(client, next netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.warned.IsZero() && time.Since(p.warned) < warnAgain {
		return
	}
	if p.seen == 0 {
		p.clients, p.behind = map[netip.Addr]int{}, map[netip.Addr]bool{}
	}
	p.seen++
	if next.IsValid() {
		p.clients[client]++
		p.behind[next] = true
	}
	if p.seen < proxyWindow {
		return
	}
	p.seen = 0
	for addr, requests := range p.clients {
		if requests*100 >= proxyShare*proxyWindow && len(p.behind) >= proxyClients {
			p.warned = time.Now()
			p.log.Warn("nearly all requests seem to come from one proxy that is not trusted: set TRUSTED_PROXIES or CLIENT_IP_HEADER",
				"address", addr.String())
		}
	}
}
