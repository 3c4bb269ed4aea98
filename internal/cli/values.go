package cli

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/agent/servers"
)

// textValue is a flag whose value is parsed by a function.
type textValue[T any] struct {
	to    *T
	parse func(string) (T, error)
	show  func(T) string
	kind  string
}

func (v *textValue[T]) Set(s string) error {
	parsed, err := v.parse(s)
	if err == nil {
		*v.to = parsed
	}
	return err
}

func (v *textValue[T]) String() string {
	if v.to == nil {
		return ""
	}
	return v.show(*v.to)
}

func (v *textValue[T]) Type() string { return v.kind }

// nameValue is a flag that holds a name, such as mesh.ServiceName.
func nameValue[T ~string](to *T, kind string, parse func(string) (T, error)) *textValue[T] {
	return &textValue[T]{to: to, parse: parse, show: func(v T) string { return string(v) }, kind: kind}
}

// serverValue is a flag that holds the URL of a server's HTTP port.
func serverValue(to *string) *textValue[string] {
	return nameValue(to, "URL", parseServer)
}

func parseServer(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("want a URL such as http://127.0.0.1:18001")
	}
	return s, nil
}

// hostPortValue is a flag that holds host:port.
func hostPortValue(to *string) *textValue[string] {
	return nameValue(to, "host:port", parseHostPort)
}

func parseHostPort(s string) (string, error) {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", errors.New("want host:port, such as 127.0.0.1:18000")
	}
	_, err = parsePort(port, 0)
	return s, err
}

// listValue is a flag that holds a list of what parse parses, separated by commas.
func listValue(to *string, kind string, parse func(string) (string, error)) *textValue[string] {
	return nameValue(to, kind, func(s string) (string, error) {
		var list []string
		for _, one := range servers.List(s) {
			parsed, err := parse(one)
			if err != nil {
				return "", err
			}
			list = append(list, parsed)
		}
		return strings.Join(list, ","), nil
	})
}

// addressValue is a flag that holds an IP address; the zero address is none.
func addressValue(to *netip.Addr) *textValue[netip.Addr] {
	return &textValue[netip.Addr]{
		to: to, kind: "IP", show: func(a netip.Addr) string {
			if !a.IsValid() {
				return ""
			}
			return a.String()
		},
		parse: func(s string) (netip.Addr, error) {
			a, err := netip.ParseAddr(s)
			if err != nil || a.IsUnspecified() || a.IsMulticast() {
				return netip.Addr{}, errors.New("want an IP address at which callers reach this machine, such as 10.0.0.7")
			}
			return a.Unmap(), nil
		},
	}
}

// portValue is a flag that holds a port; 0 is any free one.
func portValue(to *int) *textValue[int] {
	return &textValue[int]{
		to: to, kind: "port", show: strconv.Itoa,
		parse: func(s string) (int, error) { return parsePort(s, 0) },
	}
}

// units are those of sizes, the longest name first.
var units = []struct {
	name  string
	bytes uint64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}

// minSize is the smallest size of a flag: an Envoy needs about that much for itself.
const minSize = 16 << 20

// sizeValue is a flag that holds a number of bytes; 0 is none.
func sizeValue(to *uint64) *textValue[uint64] {
	return &textValue[uint64]{
		to: to, kind: "size", show: func(n uint64) string {
			if n == 0 {
				return ""
			}
			return fmt.Sprintf("%dMiB", n>>20)
		},
		parse: func(s string) (uint64, error) {
			for _, u := range units {
				if digits, ok := strings.CutSuffix(s, u.name); ok {
					if n, err := strconv.ParseUint(digits, 10, 32); err == nil && n*u.bytes >= minSize {
						return n * u.bytes, nil
					}
				}
			}
			return 0, errors.New("want a size of at least 16MiB, such as 512MiB or 2GiB")
		},
	}
}

// durationValue is a flag that holds a time to wait, which is never negative; it is initially.
func durationValue(to *time.Duration, initially time.Duration) *textValue[time.Duration] {
	*to = initially
	return &textValue[time.Duration]{
		to: to, kind: "duration", show: time.Duration.String,
		parse: func(s string) (time.Duration, error) {
			d, err := time.ParseDuration(s)
			if err != nil || d < 0 {
				return 0, errors.New("want a duration such as 30s or 5m")
			}
			return d, nil
		},
	}
}

// portsValue is a flag with ports by name, given as NAME=PORT, repeatedly or separated by commas. A bare PORT has the
// name "" if that is allowed.
type portsValue[T ~string] struct {
	to    *map[T]int
	parse func(string) (T, error)
	bare  bool // PORT alone is allowed
	least int  // the smallest port: 0 where 0 means any free one
	given bool // before the first Set, the value is the default
}

func (v *portsValue[T]) Set(s string) error {
	if !v.given {
		*v.to, v.given = map[T]int{}, true
	}
	for part := range strings.SplitSeq(s, ",") {
		name, port, err := v.one(part)
		if err != nil {
			return err
		}
		(*v.to)[name] = port
	}
	return nil
}

func (v *portsValue[T]) one(part string) (name T, port int, err error) {
	text := part
	if left, right, ok := strings.Cut(part, "="); ok {
		if name, err = v.parse(left); err != nil {
			return "", 0, err
		}
		text = right
	} else if !v.bare {
		return "", 0, fmt.Errorf("%q: want NAME=PORT", part)
	}
	port, err = parsePort(text, v.least)
	return name, port, err
}

func (v *portsValue[T]) String() string {
	if v.to == nil {
		return ""
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(*v.to)) {
		part := strconv.Itoa((*v.to)[name])
		if name != "" {
			part = string(name) + "=" + part
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ",")
}

func (v *portsValue[T]) Type() string {
	if v.bare {
		return "port|name=port"
	}
	return "name=port"
}

func parsePort(s string, least int) (int, error) {
	port, err := strconv.Atoi(s)
	if err != nil || port < least || port > 65535 {
		return 0, fmt.Errorf("port %q: want %d-65535", s, least)
	}
	return port, nil
}

// parseListener accepts any name of a listener; the edge's document says which there are.
func parseListener(s string) (string, error) {
	if s == "" {
		return "", errors.New("listener name is empty")
	}
	return s, nil
}
