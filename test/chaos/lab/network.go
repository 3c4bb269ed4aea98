//go:build linux

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/doyen-mesh/doyen/internal/process"
)

// subnet is the lab's network. Its first address belongs to the program that runs the lab.
var subnet = netip.MustParsePrefix("10.77.0.0/24")

// bridge is the switch into which all cables lead.
const bridge = "lab"

// Network is a switch with hosts.
type Network struct {
	next netip.Addr
}

// Host is a network namespace with one cable to the switch.
type Host struct {
	Name string
	IP   netip.Addr
}

// New makes the switch. It is called once, after [Enter].
func New(ctx context.Context) (*Network, error) {
	first := subnet.Addr().Next()
	n := &Network{next: first.Next()}
	return n, run(ctx,
		"ip link set lo up",
		"ip link add "+bridge+" type bridge",
		fmt.Sprintf("ip address add %v/%d dev %s", first, subnet.Bits(), bridge),
		"ip link set "+bridge+" up",
	)
}

// Host adds a host. Its name has at most ten letters.
func (n *Network) Host(ctx context.Context, name string) (*Host, error) {
	h := &Host{Name: name, IP: n.next}
	if !subnet.Contains(h.IP) {
		return nil, fmt.Errorf("host %s: the network is full", name)
	}
	n.next = n.next.Next()
	return h, run(ctx,
		"ip netns add "+name,
		fmt.Sprintf("ip link add %s type veth peer name eth0 netns %s", h.cable(), name),
		fmt.Sprintf("ip link set %s master %s up", h.cable(), bridge),
		fmt.Sprintf("ip -n %s address add %v/%d dev eth0", name, h.IP, subnet.Bits()),
		fmt.Sprintf("ip -n %s link set eth0 up", name),
		fmt.Sprintf("ip -n %s link set lo up", name),
	)
}

// cable is the switch's end of the host's cable.
func (h *Host) cable() string { return "cable-" + h.Name }

// Start starts a program on the host.
func (h *Host) Start(c process.Command) (*process.Process, error) {
	c.Args = append([]string{"netns", "exec", h.Name, c.Path}, c.Args...)
	c.Path = "ip"
	return process.Start(c)
}

// Signal sends s to every process on the host, or to those whose program has one of the given names.
func (h *Host) Signal(ctx context.Context, s syscall.Signal, names ...string) error {
	return h.signal(ctx, s, func(pid int) bool { return len(names) == 0 || slices.Contains(names, nameOf(pid)) })
}

func (h *Host) signal(ctx context.Context, s syscall.Signal, which func(pid int) bool) error {
	out, err := exec.CommandContext(ctx, "ip", "netns", "pids", h.Name).Output()
	if err != nil {
		return fmt.Errorf("processes of host %s: %w", h.Name, err)
	}
	found := false
	for _, word := range strings.Fields(string(out)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return fmt.Errorf("processes of host %s: %w", h.Name, err)
		}
		if !which(pid) {
			continue
		}
		found = true
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signal process %d of host %s: %w", pid, h.Name, err)
		}
	}
	if !found {
		return fmt.Errorf("host %s runs no such program", h.Name)
	}
	return nil
}

// SignalChildren sends s to the children of a process on the host whose programs have one of the given names.
func (h *Host) SignalChildren(ctx context.Context, parent int, s syscall.Signal, names ...string) error {
	return h.signal(ctx, s, func(pid int) bool { return parentOf(pid) == parent && slices.Contains(names, nameOf(pid)) })
}

// parentOf is the parent of a process, 0 when it has ended.
func parentOf(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	var parent int
	var state string
	// The program's name may contain anything, so what follows it is found from the end.
	_, _ = fmt.Sscan(string(stat[bytes.LastIndexByte(stat, ')')+1:]), &state, &parent)
	return parent
}

// nameOf is the name of a process's program, "" when it has ended.
func nameOf(pid int) string {
	target, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return ""
	}
	return filepath.Base(target)
}

// Pull pulls the host's cable.
func (h *Host) Pull(ctx context.Context) error { return run(ctx, "ip link set "+h.cable()+" down") }

// Plug plugs it in again.
func (h *Host) Plug(ctx context.Context) error { return run(ctx, "ip link set "+h.cable()+" up") }

// Lose drops each packet that reaches the host with a probability in percent.
func (h *Host) Lose(ctx context.Context, percent int) error {
	return h.filter(ctx, fmt.Sprintf(`iifname "eth0" numgen random mod 100 < %d drop`, percent))
}

// Ignore drops every packet that comes from the others.
func (h *Host) Ignore(ctx context.Context, others ...*Host) error {
	var rules []string
	for _, o := range others {
		rules = append(rules, fmt.Sprintf("ip saddr %v drop", o.IP))
	}
	return h.filter(ctx, rules...)
}

// Redirect leads connections from other hosts, but not from the program that runs the lab, to other ports of this host.
// It does not change connections that are open.
func (h *Host) Redirect(ctx context.Context, ports map[int]int) error {
	var rules []string
	for from, to := range ports {
		rules = append(rules, fmt.Sprintf("ip saddr != %v tcp dport %d redirect to :%d", subnet.Addr().Next(), from, to))
	}
	return h.table(ctx, "type nat hook prerouting priority dstnat;", rules)
}

// Hear ends Lose, Ignore and Redirect.
func (h *Host) Hear(ctx context.Context) error { return h.filter(ctx) }

// filter replaces the rules for what reaches the host.
func (h *Host) filter(ctx context.Context, rules ...string) error {
	return h.table(ctx, "type filter hook input priority 0;", rules)
}

// table replaces the chain of rules for what reaches the host.
func (h *Host) table(ctx context.Context, chain string, rules []string) error {
	const table = "inet lab"
	script := "add table " + table + "\ndelete table " + table + "\n"
	if len(rules) > 0 {
		script += "table " + table + " {\nchain rules {\n" + chain + "\n" + strings.Join(rules, "\n") + "\n}\n}\n"
	}
	cmd := exec.CommandContext(ctx, "ip", "netns", "exec", h.Name, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	return failed(cmd)
}

// Slow limits the cable to a rate such as 256kbit in each direction.
func (h *Host) Slow(ctx context.Context, rate string) error {
	limit := "root tbf rate " + rate + " burst 4kb latency 500ms"
	return run(ctx, "tc qdisc replace dev "+h.cable()+" "+limit, "tc -n "+h.Name+" qdisc replace dev eth0 "+limit)
}

// Fast ends Slow.
func (h *Host) Fast(ctx context.Context) error {
	return run(ctx, "tc qdisc del dev "+h.cable()+" root", "tc -n "+h.Name+" qdisc del dev eth0 root")
}

// run runs commands, whose words are separated by spaces, up to the first that fails.
func run(ctx context.Context, commands ...string) error {
	for _, c := range commands {
		words := strings.Fields(c)
		if err := failed(exec.CommandContext(ctx, words[0], words[1:]...)); err != nil {
			return err
		}
	}
	return nil
}

// failed runs a command. Its error has what the command printed.
func failed(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
