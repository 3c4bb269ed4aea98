package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

const (
	defaultWait = 30 * time.Second
	maxWait     = 5 * time.Minute
)

// serviceIn parses {service} of the path.
func serviceIn(r *http.Request) (mesh.ServiceName, []httpapi.Problem) {
	service, err := mesh.ParseServiceName(r.PathValue("service"))
	if err != nil {
		return "", []httpapi.Problem{{Field: "service", Error: err.Error(), Expected: "a DNS label such as users"}}
	}
	return service, nil
}

// networkParameter names the network of an address; absent, it is the default network.
const networkParameter = "network"

// keyIn parses {service} and {address} of the path, and ?network=.
func keyIn(r *http.Request) (registry.Key, []httpapi.Problem) {
	service, problems := serviceIn(r)
	text := r.PathValue("address")
	address, err := netip.ParseAddrPort(text)
	if err != nil {
		return registry.Key{}, append(problems, httpapi.Problem{
			Field: "address", Error: fmt.Sprintf("%.80q is no IP address with a port", text),
			Expected: "such as 10.0.0.7:9211 or [2001:db8::7]:9211", Hint: addressHint(text),
		})
	}
	address = netip.AddrPortFrom(address.Addr().Unmap(), address.Port())
	network, err := mesh.ParseNetworkName(r.URL.Query().Get(networkParameter))
	if err != nil {
		problems = append(problems, httpapi.Problem{Field: "?network", Error: err.Error(), Expected: "a DNS label such as east"})
	}
	return registry.Key{Service: service, Network: network, Address: address}, problems
}

// addressHint returns what is probably missing.
func addressHint(text string) string {
	host, _, _ := strings.Cut(text, ":")
	ip, err := netip.ParseAddr(strings.Trim(text, "[]"))
	switch {
	case err == nil && ip.Is4():
		return fmt.Sprintf("add the port: %s:9211", ip)
	case err == nil:
		return fmt.Sprintf("add brackets and the port: [%s]:9211", ip)
	case strings.ContainsAny(host, "ghijklmnopqrstuvwxyz"):
		return "host names are not looked up here: give the IP address"
	}
	return ""
}

// query parses the parameters of a call strictly: only those that are allowed, each once.
func query(r *http.Request, allowed ...string) (url.Values, []httpapi.Problem) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, []httpapi.Problem{{Field: "query", Error: err.Error(), Expected: "URL-encoded parameters"}}
	}
	var problems []httpapi.Problem
	for _, name := range sortedKeys(values) {
		switch {
		case !slices.Contains(allowed, name):
			problems = append(problems, unknown("?"+name, name, allowed))
		case len(values[name]) > 1:
			problems = append(problems, httpapi.Problem{Field: "?" + name, Error: "it is there twice", Expected: "one value"})
		}
	}
	return values, problems
}

// watchIn parses ?after= and ?wait=, beside others that are allowed.
func watchIn(r *http.Request, others ...string) (url.Values, time.Duration, []httpapi.Problem) {
	values, problems := query(r, append([]string{"after", "wait"}, others...)...)
	wait, more := waitIn(values, defaultWait)
	problems = append(problems, more...)
	if values.Has("wait") && !values.Has("after") {
		problems = append(problems, httpapi.Problem{Field: "?wait", Error: "there is nothing to wait for", Expected: "?after= with the version of an earlier answer"})
	}
	return values, wait, problems
}

// incarnationIn parses ?incarnation=; none if it is absent.
func incarnationIn(values url.Values) (registry.Incarnation, []httpapi.Problem) {
	incarnation, err := registry.ParseIncarnation(values.Get("incarnation"))
	if err != nil {
		return incarnation, []httpapi.Problem{{Field: "?incarnation", Error: err.Error(), Expected: "what POST .../incarnation answered"}}
	}
	return incarnation, nil
}

// waitIn parses ?wait=, at most maxWait; fallback if it is absent. A longer time is no error: the call waits for
// maxWait.
func waitIn(values url.Values, fallback time.Duration) (time.Duration, []httpapi.Problem) {
	if !values.Has("wait") {
		return fallback, nil
	}
	wait, err := time.ParseDuration(values.Get("wait"))
	if err != nil || wait < 0 {
		return 0, []httpapi.Problem{{Field: "?wait", Error: fmt.Sprintf("%.40q is no time to wait", values.Get("wait")), Expected: "a duration such as 30s"}}
	}
	return min(wait, maxWait), nil
}
