package api

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// field is one field of a check-in's body.
type field struct {
	name     string
	expected string // what its value looks like
	decode   func(json.RawMessage, *registry.Instance) error
	parts    func([]member, *registry.Instance) []httpapi.Problem // instead of decode: an object
}

func fields() []field {
	return []field{
		{"ports", `an object of port names and numbers, such as {"admin": 9212}`, nil, ports},
		{"zone", `a string such as "a" or "eu/a"`, func(v json.RawMessage, i *registry.Instance) error { return json.Unmarshal(v, &i.Zone) }, nil},
		{"tags", `an object of strings, such as {"build": "4711"}`, nil, tags},
		{"weight", fmt.Sprintf("a whole number of 1-%d", registry.MaxWeight), func(v json.RawMessage, i *registry.Instance) error { return json.Unmarshal(v, &i.Weight) }, nil},
		{"state", `one of "starting", "healthy", "unhealthy", "draining", "maintenance"`, func(v json.RawMessage, i *registry.Instance) error { return json.Unmarshal(v, &i.State) }, nil},
		{"reason", `a string such as "GET /healthz answers 503"`, func(v json.RawMessage, i *registry.Instance) error { return json.Unmarshal(v, &i.Reason) }, nil},
		{"lease", `a duration of 10s-24h, such as "10m"`, func(v json.RawMessage, i *registry.Instance) error { return json.Unmarshal(v, (*Duration)(&i.Lease)) }, nil},
		{"identity", `a SPIFFE ID such as "spiffe://example.org/users"`, func(v json.RawMessage, i *registry.Instance) error { return json.Unmarshal(v, &i.Identity) }, nil},
		{"proxy", `the node ID of an Envoy, such as "sidecar/users/10.0.0.7:9211"`, func(v json.RawMessage, i *registry.Instance) error { return json.Unmarshal(v, &i.Proxy) }, nil},
		{"incarnation", "what POST .../incarnation answered", func(v json.RawMessage, i *registry.Instance) error { return json.Unmarshal(v, &i.Incarnation) }, nil},
		{"sequence", "a whole number", func(v json.RawMessage, i *registry.Instance) error { return json.Unmarshal(v, &i.Sequence) }, nil},
	}
}

// decodeInstance decodes the body of a check-in, and returns everything that is wrong with it and with its key. What
// the body leaves out has its default.
func decodeInstance(key registry.Key, body []member) (registry.Instance, []httpapi.Problem) {
	i := registry.Instance{Key: key}.WithDefaults()
	known := fields()
	var problems []httpapi.Problem
	for _, m := range body {
		at := slices.IndexFunc(known, func(f field) bool { return f.name == m.name })
		if at < 0 {
			problems = append(problems, unknownField(m.name, known))
			continue
		}
		problems = append(problems, known[at].read(m.value, &i)...)
	}
	return i, append(problems, fromRegistry(i.Problems())...)
}

// read decodes value into i.
func (f field) read(value json.RawMessage, i *registry.Instance) []httpapi.Problem {
	wrong := []httpapi.Problem{{Field: f.name, Error: describe(value), Expected: f.expected}}
	if string(value) == "null" || f.parts != nil && value[0] != '{' {
		return wrong // encoding/json would treat null as absent
	}
	if f.parts == nil {
		before := *i
		if f.decode(value, i) != nil {
			*i = before
			return wrong
		}
		return nil
	}
	members, err := readObject(value)
	if err != nil {
		wrong[0].Error = fmt.Sprintf("%v: %.60s", err, value)
		return wrong
	}
	return f.parts(members, i)
}

func ports(members []member, i *registry.Instance) (problems []httpapi.Problem) {
	i.Ports = make(map[mesh.PortName]int, len(members))
	for _, m := range members {
		var port int
		if json.Unmarshal(m.value, &port) != nil || string(m.value) == "null" {
			problems = append(problems, httpapi.Problem{Field: fmt.Sprintf("ports.%.63s", m.name), Error: describe(m.value), Expected: "a port of 1-65535"})
			continue
		}
		i.Ports[mesh.PortName(m.name)] = port
	}
	return problems
}

func tags(members []member, i *registry.Instance) (problems []httpapi.Problem) {
	i.Tags = make(map[string]string, len(members))
	for _, m := range members {
		var value string
		if json.Unmarshal(m.value, &value) != nil || string(m.value) == "null" {
			problems = append(problems, httpapi.Problem{Field: fmt.Sprintf("tags.%.63s", m.name), Error: describe(m.value), Expected: "a string", Hint: "put it in quotes"})
			continue
		}
		i.Tags[m.name] = value
	}
	return problems
}

func unknownField(name string, known []field) httpapi.Problem {
	var names []string
	for _, f := range known {
		names = append(names, f.name)
	}
	p := unknown(fmt.Sprintf("%.80s", name), name, names)
	switch name {
	case "":
		p.Field = `""`
	case "service", "address":
		p.Hint = "it stands in the path"
	case "network":
		p.Hint = "it stands in the query: ?network=NAME"
	case "expires":
		p.Hint = "it follows from lease"
	}
	return p
}
