package config

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Prefixes of TRUSTED_PROXIES that are shorter than these, in bits, hold more than any operator has.
const (
	widest4 = 8
	widest6 = 16
)

// Warnings returns a sentence for each setting that opens something in production, and for those that have no effect.
func (c *Config) Warnings() []string {
	var w []string
	if c.HTTP.ClientIPHeader != "" && len(c.HTTP.TrustedProxies) == 0 {
		w = append(w, "CLIENT_IP_HEADER is believed from nobody: TRUSTED_PROXIES is empty")
	}
	if !c.IsProduction() {
		return w
	}
	w = append(w, "payments are simulated: no money is taken")
	if c.OutcomesAllowed() {
		w = append(w, "PAYMENT_SIMULATED_OUTCOMES is true: whoever pays decides whether the payment succeeds")
	}
	for _, p := range c.HTTP.TrustedProxies {
		if wide(p) {
			w = append(w, "TRUSTED_PROXIES has "+p.String()+": whoever is in it can claim any address, past the limits by address")
		}
	}
	if slices.Contains(c.HTTP.AllowedOrigins, "*") {
		w = append(w, "CORS_ALLOWED_ORIGINS is *: pages of all origins may call the API")
	}
	w = append(w, c.openListeners()...)
	w = append(w, c.limitsOff()...)
	for _, store := range c.stores() {
		w = append(w, openStore(store)...)
	}
	return slices.Compact(w) // the nodes of a cluster say the same
}

func wide(p netip.Prefix) bool {
	if p.Addr().Is4() {
		return p.Bits() < widest4
	}
	return p.Bits() < widest6 && p != netip.MustParsePrefix("fc00::/7") // the private addresses
}

func (c *Config) openListeners() []string {
	var w []string
	for _, l := range []struct{ name, address, what string }{
		{"METRICS_ADDR", c.Metrics.Addr, "metrics"}, {"PPROF_ADDR", c.Service.PprofAddr, "profiles"},
	} {
		if host, _, err := net.SplitHostPort(l.address); err == nil && !loopback(host) {
			w = append(w, l.name+" is not a loopback address: "+l.what+" are served without authentication to all who reach it")
		}
	}
	return w
}

func (c *Config) limitsOff() []string {
	var w []string
	for _, limit := range []struct {
		name  string
		value int
	}{
		{"RATE_LIMIT_PER_MINUTE", c.Limits.Requests},
		{"BOOKING_RATE_LIMIT_PER_MINUTE", c.Limits.Bookings},
		{"AUTH_RATE_LIMIT_PER_MINUTE", c.Limits.Logins},
		{"NETWORK_RATE_LIMIT_PER_MINUTE", c.Limits.Network},
		{"SEARCH_RATE_LIMIT_PER_MINUTE", c.Limits.Searches},
		{"MAX_SEATS_PER_USER_PER_SHOW", c.Booking.MaxSeatsPerUser},
		{"MAX_HOLDS_PER_USER", c.Booking.MaxHoldsPerUser},
		{"STREAMS_PER_USER", c.Limits.StreamsPerUser},
		{"STREAMS_PER_ADDRESS", c.Limits.StreamsPerAddress},
		{"MAX_CONNECTIONS", c.HTTP.MaxConnections},
		{"MAX_BODY_BYTES_IN_FLIGHT", int(c.HTTP.MaxBodyBytes)},
	} {
		if limit.value == 0 {
			w = append(w, limit.name+" is 0: there is no such limit")
		}
	}
	return w
}

// safeModes are the sslmodes that never fall back to a connection without TLS.
var safeModes = []string{"require", "verify-ca", "verify-full"}

func openStore(address namedURL) []string {
	s, err := parseStore(address.url)
	if err != nil { // refused by Load
		return nil
	}
	var w []string
	if s.password == "" {
		w = append(w, address.name+" has no password")
	}
	switch {
	case address.name == "REDIS_URL":
		if s.Scheme == "redis" && public(s.host) {
			w = append(w, "REDIS_URL is redis:// and not rediss://: passwords and data cross the network in clear")
		}
	case !loopback(s.host) && !slices.Contains(safeModes, s.Query().Get("sslmode")):
		w = append(w, address.name+" has an sslmode other than "+strings.Join(safeModes, ", ")+": passwords and data may cross the network in clear")
	}
	return w
}

// public reports whether host seems to be outside of the private network: a public address, or a name with a dot that is
// not of an internal domain.
func public(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return !addr.IsLoopback() && !addr.IsPrivate() && !addr.IsLinkLocalUnicast()
	}
	internal := strings.HasSuffix(host, ".internal") || strings.HasSuffix(host, ".local")
	return strings.Contains(host, ".") && !internal
}
