package domain

import "net/netip"

// Network is a network that a client is counted in.
type Network struct {
	Prefix netip.Prefix
	Times  int // how many times the limit of one client it may have
}

// ipv6Networks: a customer has a /64 to a /56, and a provider's site a /48.
var ipv6Networks = []struct{ bits, times int }{{64, 1}, {56, 4}, {48, 16}}

// ClientNetworks returns the networks of a client: an IPv4 address itself, and the /64, /56 and /48 of an IPv6
// address. Of an invalid address there are none.
func ClientNetworks(addr netip.Addr) []Network {
	addr = addr.Unmap().WithZone("")
	switch {
	case !addr.IsValid():
		return nil
	case addr.Is4():
		return []Network{{Prefix: netip.PrefixFrom(addr, addr.BitLen()), Times: 1}}
	}
	networks := make([]Network, len(ipv6Networks))
	for i, network := range ipv6Networks {
		prefix, _ := addr.Prefix(network.bits) // of an IPv6 address it cannot fail
		networks[i] = Network{Prefix: prefix, Times: network.times}
	}
	return networks
}

// WidestNetwork returns the largest network of a client: an IPv4 address itself or an IPv6 /48. Of an invalid address it is
// the zero Prefix.
func WidestNetwork(addr netip.Addr) netip.Prefix {
	networks := ClientNetworks(addr)
	if len(networks) == 0 {
		return netip.Prefix{}
	}
	return networks[len(networks)-1].Prefix
}
