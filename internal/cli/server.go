package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/dnsserver"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry/sources"
	"github.com/doyen-mesh/doyen/internal/server"
)

func (i Invocation) server() *cobra.Command {
	o := server.Options{GRPC: server.DefaultGRPC, HTTP: server.DefaultHTTP, Domain: mesh.Domain, Version: i.Version}
	var logs logging
	var store storeFlags
	var trusted bool
	cmd := &cobra.Command{
		Use:   "server --config DIR",
		Short: "Run a server for a folder of documents",
		Long: `Run a server: it watches the folder of documents, keeps the registry of instances, and configures the proxies.

A change of the folder takes effect as soon as the whole folder is valid; until then the last valid content stays in force.
The ports listen on loopback by default, because there is no authentication yet.`,
		Example: `  doyen server --config ./mesh
  doyen server --config /etc/doyen --data /var/lib/doyen \
    --grpc 10.0.0.2:18000 --http 10.0.0.2:18001
  doyen server --config ./mesh --dns 127.0.0.1:5353   # then: dig @127.0.0.1 -p 5353 users.mesh SRV
  doyen server --config /etc/doyen --store redis://10.0.0.5:6379   # any number of servers, with the same --store`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Config == "" {
				return usage("for example: doyen server --config ./mesh", "--config is required: the folder of documents")
			}
			if o.Discovery != "" && !trusted && !isLoopback(o.Discovery) {
				return usage("in a network where you trust everyone: --discovery-trusted-network", "--discovery %s is not on loopback, and whoever reaches it can register instances", o.Discovery)
			}
			o.Log = logs.logger(i)
			if err := store.open(i, &o); err != nil {
				return err
			}
			return i.runServer(cmd, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Config, "config", "", "`folder` of documents")
	flags.StringVar(&o.Data, "data", "", "`folder` for state that survives a restart: instances and the last accepted documents (default: a folder for each --config in ~/.local/state/doyen)")
	flags.Var(hostPortValue(&o.GRPC), "grpc", "listen address for proxies (xDS)")
	flags.Var(hostPortValue(&o.HTTP), "http", "listen address for the API, agents and metrics")
	flags.Var(hostPortValue(&o.DNS), "dns", "listen address for DNS queries, with UDP and TCP, such as 127.0.0.1:5353 (default: no DNS)")
	flags.Var(nameValue(&o.Domain, "domain", dnsserver.ParseDomain), "dns-domain", "domain that DNS answers for: users.mesh is the service users")
	flags.StringVar(&o.Instances, "instances", "", "`file` that lists instances that do not check in, by address or by name in DNS (default: none)")
	flags.Var(hostPortValue(&o.Resolver), "instances-resolver", "DNS server for the names in that file (default: those of /etc/resolv.conf)")
	flags.Var(hostPortValue(&o.Discovery), "discovery", "listen address for check-in jobs that were written for lyft/discovery, such as 127.0.0.1:8080 (default: none)")
	flags.BoolVar(&trusted, "discovery-trusted-network", false, "let --discovery listen beyond loopback: whoever reaches it can register instances")
	store.add(cmd)
	flags.StringSliceVar(&o.Hosts, "http-host", nil, "DNS `name` by which clients may call the API and --discovery, in addition to IP addresses and localhost")
	flags.BoolVar(&o.Profiles, "pprof", false, "serve the Go profiler's pages (/debug/pprof/) on the HTTP port")
	fromEnvironment(cmd, "config", "DOYEN_CONFIG")
	fromEnvironment(cmd, "data", "DOYEN_DATA")
	fromEnvironment(cmd, "grpc", "DOYEN_GRPC")
	fromEnvironment(cmd, "http", "DOYEN_HTTP")
	fromEnvironment(cmd, "dns", "DOYEN_DNS")
	fromEnvironment(cmd, "dns-domain", "DOYEN_DNS_DOMAIN")
	fromEnvironment(cmd, "discovery", "DOYEN_DISCOVERY")
	fromEnvironment(cmd, "instances", "DOYEN_INSTANCES")
	logs.add(cmd)
	return cmd
}

// isLoopback reports whether host:port is on loopback.
func isLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (i Invocation) runServer(cmd *cobra.Command, o server.Options) error {
	if err := readableFolder(o.Config); err != nil {
		return err
	}
	if o.Data == "" {
		data, err := i.defaultData(o.Config)
		if err != nil {
			return err
		}
		o.Data = data
	}
	o.Ready = func(on server.Addresses) {
		log := o.Log
		if on.DNS != nil {
			log = log.With("dns", on.DNS.String())
		}
		if on.Discovery != nil {
			log = log.With("discovery", on.Discovery.String())
		}
		log.Info("ready", "grpc", on.GRPC.String(), "http", on.HTTP.String(), "config", o.Config, "data", o.Data)
	}
	ctx, _, stop := interruptible(cmd.Context(), o.Log)
	defer stop()
	return i.serverError(server.Run(ctx, o), o.Data)
}

// readableFolder returns nil if dir can be searched for documents.
func readableFolder(dir string) error {
	_, err := os.ReadDir(dir)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return &hinted{fmt.Errorf("config folder %q: there is no such folder", dir), "create it with: mkdir -p " + dir}
	case errors.Is(err, syscall.ENOTDIR):
		return &hinted{fmt.Errorf("config folder %q: it is a file", dir), "name its folder: --config " + filepath.Dir(dir)}
	case errors.Is(err, fs.ErrPermission):
		return &hinted{fmt.Errorf("config folder %q: this user may not read it", dir), "allow it with: chmod u+rx " + dir}
	default:
		return fmt.Errorf("config folder %q: %w", dir, err)
	}
}

// defaultData returns a data folder of its own for each folder of documents, so that two meshes on one machine never
// share instances.
func (i Invocation) defaultData(config string) (string, error) {
	state, err := i.stateRoot()
	if err != nil {
		return "", usage("for example: --data /var/lib/doyen", "--data is required: without HOME there is no default folder for data")
	}
	whole, err := filepath.Abs(config)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(whole))
	return filepath.Join(state, filepath.Base(whole)+"-"+hex.EncodeToString(sum[:4])), nil
}

// portsHint returns what to do about addresses on which a server cannot listen.
func portsHint(failed server.ListenErrors) string {
	hint, flags := "use an address of this machine:", ""
	for _, e := range failed {
		host, _, _ := net.SplitHostPort(e.Address)
		if errors.Is(e, syscall.EADDRINUSE) {
			hint = "another server may be running (doyen status); for any free port:"
		} else {
			host = "127.0.0.1"
		}
		flags += fmt.Sprintf(" --%s %s", strings.ToLower(e.Port), net.JoinHostPort(host, "0"))
	}
	return hint + flags
}

// maxProblems is how many problems of a folder a server prints when it does not start.
const maxProblems = 10

// serverError prints the problems of a folder that keep a server from starting, and adds a hint about a port in use
// or a data folder that cannot be written.
func (i Invocation) serverError(err error, data string) error {
	var instances *sources.InvalidError
	if errors.As(err, &instances) {
		if err := i.printProblems(instances.Problems[:min(len(instances.Problems), maxProblems)]); err != nil {
			return err
		}
		fmt.Fprintln(i.Stderr)
		return &hinted{fmt.Errorf("the instances file has %s, and there is no earlier valid content to serve", count(len(instances.Problems), "problem")), "fix them, or start without --instances"}
	}
	var invalid *server.InvalidError
	if errors.As(err, &invalid) {
		shown := invalid.Problems[:min(len(invalid.Problems), maxProblems)]
		if err := i.printProblems(shown); err != nil {
			return err
		}
		fmt.Fprintln(i.Stderr)
		if more := len(invalid.Problems) - len(shown); more > 0 {
			fmt.Fprintf(i.Stderr, "%d more problems: doyen validate %s lists all\n\n", more, invalid.Folder)
		}
		return &hinted{
			fmt.Errorf("config folder %q has %s, and there is no earlier valid content to serve", invalid.Folder, count(len(invalid.Problems), "problem")),
			"fix them, and check with: doyen validate " + invalid.Folder,
		}
	}
	if ports := (server.ListenErrors)(nil); errors.As(err, &ports) {
		return &hinted{err, portsHint(ports)}
	}
	if file := (*fs.PathError)(nil); errors.As(err, &file) {
		return &hinted{err, "the data folder is " + data + "; to use another: --data DIR"}
	}
	return err
}
