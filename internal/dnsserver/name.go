package dnsserver

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// name is what a name of the domain stands for.
type name struct {
	apex      bool                 // the domain itself
	service   mesh.ServiceName     // "" for the apex
	instances []*registry.Instance // that answers are made from; shared, not to be changed
	port      mesh.PortName        // which port of them; "" is the main port
	addresses bool                 // has A and AAAA records
	locations bool                 // has SRV records
	single    bool                 // names one instance, in whatever state it is
}

// find returns what labels, in lower case and without those of the domain, stand for; false if there is no such name.
func (h *handler) find(labels []string, snapshot *registry.Snapshot) (name, bool) {
	if len(labels) == 0 {
		return name{apex: true}, true
	}
	service := mesh.ServiceName(labels[len(labels)-1])
	instances := snapshot.Instances(service)
	ports, known := h.Ports(service)
	if !known && len(instances) == 0 {
		return name{}, false
	}
	n := name{service: service, instances: inDefaultNetwork(instances)}
	switch before := labels[:len(labels)-1]; {
	case len(before) == 0:
		n.addresses, n.locations = true, true
		return n, true
	case len(before) == 1 && before[0] == "_tcp":
		return n, true // the parent of names that exist, so it exists too (RFC 8020)
	case len(before) == 1 && isAddress(before[0]):
		n.addresses, n.single = true, true
		n.instances = at(n.instances, before[0])
		return n, len(n.instances) > 0
	case len(before) == 1:
		n.addresses = true
		exists := n.setPort(mesh.PortName(before[0]), ports, known)
		return n, exists && n.port != "" // the main port has the name of the service
	case len(before) == 2 && before[1] == "_tcp" && strings.HasPrefix(before[0], "_"):
		n.locations = true
		return n, n.setPort(mesh.PortName(before[0][1:]), ports, known)
	}
	return name{}, false
}

// inDefaultNetwork returns the instances that programs in the default network can reach by their addresses: in other
// networks the same addresses mean something else. Instances are sorted by network, and the default one is the first.
func inDefaultNetwork(instances []*registry.Instance) []*registry.Instance {
	end, _ := slices.BinarySearchFunc(instances, true, func(i *registry.Instance, _ bool) int {
		if i.Network == "" {
			return -1
		}
		return 1
	})
	return instances[:end]
}

// setPort selects the port with that name. It reports whether the service has it. A service without a manifest has
// the ports that its instances have.
func (n *name) setPort(port mesh.PortName, ports []mesh.PortName, known bool) bool {
	n.port = port
	if !known {
		return slices.ContainsFunc(n.instances, func(i *registry.Instance) bool { return i.Ports[port] != 0 })
	}
	if slices.Index(ports, port) == 0 {
		n.port = ""
	}
	return slices.Contains(ports, port)
}

// portOf returns the port of i that n stands for; 0 if i does not have it.
func (n *name) portOf(i *registry.Instance) uint16 {
	if n.port == "" {
		return i.Address.Port()
	}
	return uint16(i.Ports[n.port])
}

// label returns the label of an address: 10-0-0-7, or 32 hexadecimal digits after "ip6-".
func label(address netip.Addr) string {
	if address.Is4() {
		return strings.ReplaceAll(address.String(), ".", "-")
	}
	bytes := address.As16()
	return "ip6-" + hex.EncodeToString(bytes[:])
}

// isAddress reports whether a label is that of an address. No port has such a name in practice, and none that begins
// with a digit.
func isAddress(label string) bool { return parseLabel(label).IsValid() }

// parseLabel is the inverse of label; the zero value if there is none.
func parseLabel(text string) netip.Addr {
	var address netip.Addr
	if digits, found := strings.CutPrefix(text, "ip6-"); found {
		if bytes, err := hex.DecodeString(digits); err == nil {
			address, _ = netip.AddrFromSlice(bytes)
		}
	} else {
		address, _ = netip.ParseAddr(strings.ReplaceAll(text, "-", "."))
	}
	if address.IsValid() && label(address) == text {
		return address
	}
	return netip.Addr{}
}

// at returns the first instance at the address with that label; none if there is none. Instances, which
// are of one network, are sorted by address.
func at(instances []*registry.Instance, label string) []*registry.Instance {
	address := parseLabel(label)
	i, _ := slices.BinarySearchFunc(instances, address, func(i *registry.Instance, address netip.Addr) int {
		return i.Address.Addr().Compare(address)
	})
	if i < len(instances) && instances[i].Address.Addr() == address {
		return instances[i : i+1]
	}
	return nil
}
