package mesh

import (
	"errors"
	"fmt"
	"strings"
)

// maxName is the largest length of a DNS label, in bytes (RFC 1035 section 2.3.4).
const maxName = 63

// Domain is the suffix of every service's second name: users and users.mesh are the same host.
const Domain = "mesh"

// ServiceName names a Service or an External. It is one DNS label in lower case (RFC 1123
// section 2.1), because it is used as a host.
type ServiceName string

// EdgeName names an Edge; same form as ServiceName.
type EdgeName string

// PortName names one port of a service; same form as ServiceName. Where a port is selected, the main port has the
// name "", otherwise its own name.
type PortName string

// ZoneName names a zone: a failure domain within which traffic is cheap. It is ZONE or REGION/ZONE, both of the same
// form as ServiceName; "" is "not known".
type ZoneName string

// Split returns the region and the zone within it. The region is "" if the name has none.
func (z ZoneName) Split() (region, zone string) {
	region, zone, found := strings.Cut(string(z), "/")
	if !found {
		return "", region
	}
	return region, zone
}

// NetworkName names a network: a set of hosts that reach each other's addresses. An address means something within its
// network only. Same form as ServiceName; "" is the mesh's default network, which people call default.
type NetworkName string

// DefaultNetwork is the word for the default network where a name is needed.
const DefaultNetwork = "default"

// Revision names one complete, valid set of documents by the hash of its content.
type Revision string

// ParseServiceName returns s as a name, or an error that describes valid names.
func ParseServiceName(s string) (ServiceName, error) { return parse[ServiceName]("service", s) }

// ParseEdgeName does what ParseServiceName does, for edges.
func ParseEdgeName(s string) (EdgeName, error) { return parse[EdgeName]("edge", s) }

// ParsePortName does what ParseServiceName does, for ports.
func ParsePortName(s string) (PortName, error) { return parse[PortName]("port", s) }

// ParseZoneName does what ParseServiceName does, for zones, which may be written as REGION/ZONE; "" is valid and means
// "not known".
func ParseZoneName(s string) (ZoneName, error) {
	if s == "" {
		return "", nil
	}
	region, zone, found := strings.Cut(s, "/")
	if !found {
		return parse[ZoneName]("zone", s)
	}
	_, err := parse[ZoneName]("region", region)
	_, err2 := parse[ZoneName]("zone", zone)
	return ZoneName(s), errors.Join(err, err2)
}

// ParseNetworkName does what ParseServiceName does, for networks; "" and "default" mean the default network.
func ParseNetworkName(s string) (NetworkName, error) {
	if s == "" || s == DefaultNetwork {
		return "", nil
	}
	return parse[NetworkName]("network", s)
}

func parse[T ~string](what, s string) (T, error) {
	if why := malformed(s); why != "" {
		return "", fmt.Errorf("%s name %q %s: want 1-%d of a-z, 0-9 and '-', starting with a letter and not ending with '-'", what, s, why, maxName)
	}
	return T(s), nil
}

func malformed(s string) string {
	switch {
	case s == "":
		return "is empty"
	case len(s) > maxName:
		return fmt.Sprintf("has %d bytes", len(s))
	}
	for _, r := range s {
		if r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return fmt.Sprintf("may not contain %q", r)
		}
	}
	switch {
	case s[0] < 'a' || s[0] > 'z':
		return "does not start with a letter"
	case s[len(s)-1] == '-':
		return "ends with '-'"
	}
	return ""
}
