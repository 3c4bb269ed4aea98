package server_test

import (
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/doyen-mesh/doyen/internal/server"
	"github.com/doyen-mesh/doyen/test/machine"
)

const dnsPage = "../../docs/reference/dns.md"

// TestDNSPage runs the queries of the reference page with dig, and compares the answers with those on the page.
func TestDNSPage(t *testing.T) {
	if _, err := exec.LookPath("dig"); err != nil {
		machine.Missing(t, "there is no dig: make test installs it on Debian")
	}
	o := options(t, "kind: Service\nname: users\nports: [8080, {name: admin, port: 8081}]\n")
	o.DNS = "127.0.0.1:0"
	on := runAll(t, o)
	for instance, body := range map[string]string{
		"10.0.0.7:9211": `{"ports": {"admin": 9212}}`,
		"10.0.0.8:9211": `{}`,
		"10.0.0.9:9211": `{"state": "draining"}`,
	} {
		if status, answer := call(t, http.MethodPut, "http://"+on.HTTP.String()+"/v1/instances/users/"+instance, body, jsonHeader); status != http.StatusCreated {
			t.Fatalf("check-in: %d %s", status, answer)
		}
	}
	page, err := os.ReadFile(dnsPage)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```console\n(.*?)```").FindSubmatch(page)
	if block == nil {
		t.Fatal("the page has no queries")
	}
	_, port, _ := net.SplitHostPort(on.DNS.String())
	queries := strings.Split(string(block[1]), "$ ")[1:]
	for _, query := range queries {
		command, want, _ := strings.Cut(query, "\n")
		out, err := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(command, "-p 5353", "-p "+port, 1)).CombinedOutput()
		if got := sortedLines(string(out)); err != nil || !slices.Equal(got, sortedLines(want)) {
			t.Errorf("%s\nanswers, %v:\n%s\nand the page says\n%s", command, err, out, want)
		}
	}
	if len(queries) < 5 {
		t.Errorf("the page has %d queries", len(queries))
	}
}

func sortedLines(text string) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	slices.Sort(lines)
	return lines
}

// TestDNSPortTaken checks that a server whose DNS port is taken by another program's UDP socket says so and ends.
func TestDNSPortTaken(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	o := options(t, users)
	o.DNS = taken.LocalAddr().String()
	if err := refused(t, o); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "DNS port "+o.DNS) {
		t.Errorf("got %v: want which port is taken", err)
	}
}

// TestNoDNS checks that a server has no DNS unless it is asked for.
func TestNoDNS(t *testing.T) {
	if on := runAll(t, options(t, users)); on.DNS != nil {
		t.Errorf("there is DNS at %v", on.DNS)
	}
}

// run starts a server, which ends with the test, and returns its HTTP address.
func run(t *testing.T, o server.Options) string {
	t.Helper()
	return runAll(t, o).HTTP.String()
}
