package sources

import (
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// document is what a file of instances holds.
type document struct {
	Services []service `json:"services" example:"[{name: users, instances: [10.0.0.7:8080]}]"`
}

// service is a service with its instances.
type service struct {
	Name      string  `json:"name" format:"service" required:"true" example:"users"`
	Instances []entry `json:"instances" example:"[10.0.0.7:8080]"`

	Origin mesh.Origin `json:"-"`
}

// entry is an instance at an address, or a name in DNS that stands for instances.
type entry struct {
	Address string   `json:"address,omitzero" format:"address" example:"10.0.0.7:8080"`
	DNS     string   `json:"dns,omitzero" format:"name" example:"users.example.com"`
	Type    string   `json:"type,omitzero" enum:"A,AAAA,SRV" example:"SRV"`
	Port    int      `json:"port,omitzero" range:"1-65535" example:"8080"`
	Ports   []string `json:"ports,omitempty" format:"further port" example:"[admin=8081]"`
	Zone    string   `json:"zone,omitzero" format:"zone" example:"a"`
	Network string   `json:"network,omitzero" format:"network" example:"east"`
	Weight  int      `json:"weight,omitzero" range:"1-1000" example:"50"`
	State   string   `json:"state,omitzero" enum:"starting,healthy,unhealthy,draining,maintenance" example:"draining"`
	Tags    []string `json:"tags,omitempty" format:"tag" example:"[build=4711]"`

	Origin mesh.Origin `json:"-"`
}

// Expand makes an address alone an instance.
func (*entry) Expand(text string) [][2]string { return [][2]string{{"address", text}} }

// Short describes the short form.
func (*entry) Short() yamldoc.Short {
	return yamldoc.Short{Words: "an address such as 10.0.0.7:8080", Field: "address"}
}

// reader decodes files. It is never changed.
var reader = yamldoc.NewReader(map[string]yamldoc.Rule{
	"service":      rule(mesh.ParseServiceName),
	"zone":         rule(mesh.ParseZoneName),
	"network":      rule(mesh.ParseNetworkName),
	"address":      rule(netip.ParseAddrPort),
	"further port": rule(parsePort),
	"tag":          rule(parseTag),
	"name":         rule(parseName),
}, reflect.TypeFor[document]())

// rule makes a rule of a function that parses.
func rule[T any](parse func(string) (T, error)) yamldoc.Rule {
	return func(text string) *yamldoc.Problem {
		if _, err := parse(text); err != nil {
			return &yamldoc.Problem{Message: err.Error()}
		}
		return nil
	}
}

// pair is a name and a value, written NAME=VALUE.
type pair struct{ name, value string }

func parsePort(text string) (pair, error) {
	name, value, _ := strings.Cut(text, "=")
	_, err := mesh.ParsePortName(name)
	if number, err2 := strconv.ParseUint(value, 10, 16); err != nil || err2 != nil || number == 0 {
		return pair{}, fmt.Errorf("%q is no further port: want NAME=PORT such as admin=8081", text)
	}
	return pair{name, value}, nil
}

func parseTag(text string) (pair, error) {
	name, value, found := strings.Cut(text, "=")
	if !found {
		return pair{}, fmt.Errorf("%q is no tag: want NAME=VALUE such as build=4711", text)
	}
	return pair{name, value}, nil
}

func parseName(text string) (string, error) {
	if _, valid := dns.IsDomainName(text); !valid || len(text) > 253 || strings.ContainsAny(text, " \\/:*@") {
		return "", fmt.Errorf("%q is no name in DNS: want such as users.example.com", text)
	}
	return dns.CanonicalName(text), nil
}

// content is what a file lists.
type content struct {
	instances []registry.Instance
	lookups   []lookup
}

// lookup is a name in DNS that stands for instances.
type lookup struct {
	question
	like registry.Instance // what they have in common
}

// parse reads a file. It returns all problems of the file; without one, the content.
func parse(name string, text []byte) (content, yamldoc.Problems) {
	docs, problems := yamldoc.Read(name, text)
	if len(problems) > 0 {
		return content{}, problems
	}
	p := parser{seen: map[registry.Key]mesh.Origin{}, services: map[string]mesh.Origin{}}
	for _, d := range docs {
		var into document
		found, complete := reader.Decode(d, &into)
		if len(found) == 0 {
			complete()
		}
		if p.problems = append(p.problems, found...); len(p.problems) == 0 {
			p.document(d, into)
		}
	}
	p.problems.Sort()
	return p.content, p.problems
}

// parser collects what documents list, and what is wrong with it.
type parser struct {
	content
	problems yamldoc.Problems
	seen     map[registry.Key]mesh.Origin
	services map[string]mesh.Origin
}

func (p *parser) document(d *yamldoc.Document, from document) {
	d = d.Expand()
	for n, s := range from.Services {
		path := fmt.Sprintf("services[%d]", n)
		if first, twice := p.services[s.Name]; twice {
			p.problems = append(p.problems, d.At(path+".name", yamldoc.Problem{Message: fmt.Sprintf("service %q is listed twice", s.Name), Related: first}))
			continue
		}
		p.services[s.Name] = s.Origin
		for m, e := range s.Instances {
			if problem := p.entry(s.Name, e); problem != nil {
				p.problems = append(p.problems, d.At(fmt.Sprintf("%s.instances[%d]", path, m), *problem))
			}
		}
	}
}

// entry adds what e lists, or returns what is wrong with it.
func (p *parser) entry(service string, e entry) *yamldoc.Problem {
	i := e.instance(service)
	switch {
	case (e.Address == "") == (e.DNS == ""):
		return &yamldoc.Problem{Message: "an instance has an address or a name in DNS", Expected: "either address or dns"}
	case e.Address != "" && (e.Port != 0 || e.Type != ""):
		return &yamldoc.Problem{Message: "port and type belong to dns", Expected: "the port in the address"}
	case e.DNS != "" && (e.Type == "SRV") == (e.Port != 0):
		return &yamldoc.Problem{Message: fmt.Sprintf("the port of %s is not known, or is known twice", e.DNS), Expected: "either port or type: SRV"}
	case e.Type == "SRV" && e.Weight != 0:
		return &yamldoc.Problem{Message: "SRV records have weights of their own", Expected: "no weight"}
	}
	checked := i.WithDefaults()
	if e.DNS != "" {
		checked.Address = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), 80)
	}
	if found := checked.Problems(); len(found) > 0 {
		return &yamldoc.Problem{Message: found[0].Field + ": " + found[0].Got, Expected: found[0].Expected}
	}
	if e.DNS != "" {
		name, _ := parseName(e.DNS)
		p.lookups = append(p.lookups, lookup{question{name, e.Type, uint16(e.Port)}, i})
		return nil
	}
	if first, twice := p.seen[i.Key]; twice {
		return &yamldoc.Problem{Message: e.Address + " is listed twice", Related: first}
	}
	p.seen[i.Key] = e.Origin
	p.instances = append(p.instances, i)
	return nil
}

// instance returns the instance that e describes, whose parts are valid each.
func (e *entry) instance(service string) registry.Instance {
	address, _ := netip.ParseAddrPort(e.Address)
	i := registry.Instance{
		Key:  registry.Key{Service: mesh.ServiceName(service), Network: mesh.NetworkName(e.Network), Address: netip.AddrPortFrom(address.Addr().Unmap(), address.Port())},
		Zone: mesh.ZoneName(e.Zone), Weight: uint32(e.Weight), State: registry.State(e.State),
	}
	for _, text := range e.Ports {
		if port, err := parsePort(text); err == nil {
			if i.Ports == nil {
				i.Ports = map[mesh.PortName]int{}
			}
			i.Ports[mesh.PortName(port.name)], _ = strconv.Atoi(port.value)
		}
	}
	for _, text := range e.Tags {
		if tag, err := parseTag(text); err == nil {
			if i.Tags == nil {
				i.Tags = map[string]string{}
			}
			i.Tags[tag.name] = tag.value
		}
	}
	return i
}
