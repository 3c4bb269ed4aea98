package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// table is the nftables table with everything that is redirected.
const table = "inet doyen_capture"

const (
	// Group is the group that Envoy has, so that its connections and queries are not redirected. Neither a distribution
	// nor systemd gives it to anybody.
	Group = 65521
	// mark is what this process marks its own queries with. No bit of it is among those that Kubernetes, Calico and
	// Tailscale use.
	mark = 0xd7e
)

// nftTimeout bounds one call of nft.
const nftTimeout = 10 * time.Second

// redirection is what is redirected: TCP connections to virtual addresses to port, and queries to nameservers to the
// ports of their responders. All ports are on loopback.
type redirection struct {
	port        int
	ipv6        bool // the port is on ::1, too
	nameservers []nameserver
}

type nameserver struct {
	address netip.Addr
	port    int // of its responder
}

// script replaces the table. nft applies a script as a whole or not at all. The priority is just before that of
// destination NAT, because the first chain with a rule for a connection decides: Docker redirects queries to its
// nameserver there.
func (r redirection) script() string {
	var b strings.Builder
	b.WriteString(removal)
	fmt.Fprintf(&b, "table %s {\n\tchain output {\n\t\ttype nat hook output priority -101; policy accept;\n", table)
	fmt.Fprintf(&b, "\t\tmeta skgid %d return\n\t\tmeta mark %#x return\n", Group, mark)
	fmt.Fprintf(&b, "\t\tip daddr %s meta l4proto tcp redirect to :%d\n", mesh.VirtualIPv4, r.port)
	if r.ipv6 {
		fmt.Fprintf(&b, "\t\tip6 daddr %s meta l4proto tcp redirect to :%d\n", mesh.VirtualIPv6, r.port)
	}
	for _, n := range r.nameservers {
		family := "ip"
		if n.address.Is6() {
			family = "ip6"
		}
		fmt.Fprintf(&b, "\t\t%s daddr %s meta l4proto { tcp, udp } th dport 53 redirect to :%d\n", family, n.address, n.port)
	}
	b.WriteString("\t}\n}\n")
	return b.String()
}

// removal removes the table, also if there is none.
const removal = "add table " + table + "\ndelete table " + table + "\n"

// nft runs a script of nft commands.
func nft(ctx context.Context, script string) error {
	path, err := findNFT()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, nftTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		line, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n"))
		return fmt.Errorf("capture: nft: %w: %s", err, line)
	}
	return nil
}

// findNFT looks for nft where systems have it, which is not on the PATH of every user.
func findNFT() (string, error) {
	for _, name := range []string{"nft", "/usr/sbin/nft", "/sbin/nft"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("capture: there is no program nft: install nftables")
}
