package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/doyen-mesh/doyen/test/machine"
)

// variant is one of the ways in which Envoy uses xDS.
type variant struct {
	delta bool
	ads   bool // one stream for all types, not one each
}

var variants = []variant{{delta: false, ads: true}, {delta: true, ads: true}, {delta: false}, {delta: true}}

func (v variant) String() string {
	return map[bool]string{false: "sotw", true: "delta"}[v.delta] + "-" + map[bool]string{false: "separate", true: "ads"}[v.ads]
}

// each runs a test in every variant.
func each(t *testing.T, test func(t *testing.T, v variant)) {
	for _, v := range variants {
		t.Run(v.String(), func(t *testing.T) {
			chosen(t, v.ads)
			test(t, v)
		})
	}
}

// source returns the config source, in proto-JSON, by which Envoy gets a type.
func (v variant) source() string {
	if v.ads {
		return `{"ads": {}, "resource_api_version": "V3"}`
	}
	return fmt.Sprintf(`{"api_config_source": %s, "resource_api_version": "V3"}`, v.api())
}

func (v variant) api() string {
	return fmt.Sprintf(`{
		"api_type": %q, "transport_api_version": "V3", "set_node_on_first_message_only": true,
		"grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}]
	}`, map[bool]string{false: "GRPC", true: "DELTA_GRPC"}[v.delta])
}

// envoy is a running Envoy.
type envoy struct {
	t     *testing.T
	admin string // address
	stop  func()
}

// runEnvoy starts an Envoy that gets everything from the servers at the given addresses. It uses the first that
// answers. extra is added to its bootstrap, in proto-JSON.
func runEnvoy(t *testing.T, v variant, extra string, servers ...string) *envoy {
	t.Helper()
	path := machine.Envoy(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "bootstrap.json")
	adminPath := filepath.Join(dir, "admin")
	if err := os.WriteFile(config, []byte(bootstrap(v, extra, servers)), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-c", config, "--admin-address-path", adminPath, "--use-dynamic-base-id",
		"--concurrency", "1", "--log-level", "warning", "--drain-time-s", "1", "--parent-shutdown-time-s", "2")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e := &envoy{t: t, stop: func() {
		cmd.Process.Signal(syscall.SIGKILL)
		cmd.Wait()
		log.Close()
	}}
	t.Cleanup(func() {
		e.stop()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("Envoy said:\n%s", text)
		}
	})
	eventually(t, "Envoy's admin page", func() error {
		address, err := os.ReadFile(adminPath)
		if err == nil && len(address) == 0 {
			err = errors.New("its address is not written yet")
		}
		e.admin = string(address)
		return err
	})
	return e
}

// bootstrap announces support for TTLs and wrapped resources, which Envoy has but does not announce.
func bootstrap(v variant, extra string, servers []string) string {
	var endpoints []string
	for i, server := range servers {
		endpoints = append(endpoints, fmt.Sprintf(`{"priority": %d, "lb_endpoints": [%s]}`, i, endpoint(server)))
	}
	ads := ""
	if v.ads {
		ads = fmt.Sprintf(`"ads_config": %s,`, v.api())
	}
	return fmt.Sprintf(`{
		"node": {"id": %q, "cluster": "conformance", "client_features": ["xds.config.supports-resource-ttl", "xds.config.supports-resource-in-sotw"]},
		"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
		"dynamic_resources": {%s "cds_config": %s, "lds_config": %s},
		"static_resources": {"clusters": [{
			"name": "xds", "connect_timeout": "1s", "lb_policy": "ROUND_ROBIN", "type": "STATIC",
			"common_lb_config": {"healthy_panic_threshold": {"value": 0}},
			"health_checks": [{
				"timeout": "1s", "interval": "0.5s", "no_traffic_interval": "0.5s", "no_traffic_healthy_interval": "0.5s",
				"unhealthy_threshold": 1, "healthy_threshold": 1, "tcp_health_check": {}
			}],
			"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
				"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
				"explicit_http_config": {"http2_protocol_options": {}}
			}},
			"load_assignment": {"cluster_name": "xds", "endpoints": [%s]}
		}]}
		%s
	}`, node, ads, v.source(), v.source(), strings.Join(endpoints, ","), extra)
}

func endpoint(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"endpoint": {"address": {"socket_address": {"address": %q, "port_value": %s}}}}`, host, port)
}

// get returns a page of Envoy's admin interface.
func (e *envoy) get(page string) (string, error) {
	r, err := http.Get("http://" + e.admin + page)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	return string(body), err
}

// listener waits until Envoy listens for the listener of that name and returns its address.
func (e *envoy) listener(name string) (address string) {
	e.t.Helper()
	eventually(e.t, "listener "+name, func() error {
		page, err := e.get("/listeners?format=json")
		if err != nil {
			return err
		}
		var all struct {
			ListenerStatuses []struct {
				Name         string
				LocalAddress struct {
					SocketAddress struct {
						Address   string
						PortValue int `json:"port_value"`
					} `json:"socket_address"`
				} `json:"local_address"`
			} `json:"listener_statuses"`
		}
		if err := json.Unmarshal([]byte(page), &all); err != nil {
			return err
		}
		for _, l := range all.ListenerStatuses {
			a := l.LocalAddress.SocketAddress
			if l.Name == name && a.PortValue != 0 {
				address = net.JoinHostPort(a.Address, fmt.Sprint(a.PortValue))
				return accepts(address)
			}
		}
		return fmt.Errorf("not among %s", page)
	})
	return address
}

// accepts returns an error unless a program listens at an address: Envoy lists a listener before it listens.
func accepts(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// stat returns a counter or gauge, 0 if there is none.
func (e *envoy) stat(name string) (value int, err error) {
	page, err := e.get("/stats?format=json&filter=" + "^" + strings.ReplaceAll(name, ".", `\.`) + "$")
	if err != nil {
		return 0, err
	}
	var all struct {
		Stats []struct {
			Name  string
			Value int
		}
	}
	err = json.Unmarshal([]byte(page), &all)
	for _, s := range all.Stats {
		if s.Name == name {
			value = s.Value
		}
	}
	return value, err
}
