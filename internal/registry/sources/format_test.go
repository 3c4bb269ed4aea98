package sources

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const valid = `services:
  - name: users
    instances:
      - 10.0.0.7:8080
      - {address: "[2001:db8::7]:8080", zone: eu/a, weight: 50, ports: [admin=8081], tags: [build=4711], state: draining, network: east}
      - {dns: users.example.com, port: 8080, zone: b}
      - {dns: _http._tcp.users.example.com, type: SRV}
  - name: orders
`

func TestParse(t *testing.T) {
	asJSON := `{"services": [{"name": "users", "instances": ["10.0.0.7:8080",
		{"address": "[2001:db8::7]:8080", "zone": "eu/a", "weight": 50, "ports": ["admin=8081"], "tags": ["build=4711"], "state": "draining", "network": "east"},
		{"dns": "users.example.com", "port": 8080, "zone": "b"}, {"dns": "_http._tcp.users.example.com", "type": "SRV"}]}]}`
	for name, text := range map[string]string{"YAML": valid, "JSON": asJSON} {
		c, problems := parse("instances.yaml", []byte(text))
		if len(problems) > 0 || len(c.instances) != 2 || len(c.lookups) != 2 {
			t.Fatalf("%s: got %+v, %v", name, c, problems)
		}
		if i := c.instances[1]; fmt.Sprintln(i.Key, i.Zone, i.Weight, i.Ports, i.Tags, i.State) != "users at [2001:db8::7]:8080 in network east eu/a 50 map[admin:8081] map[build:4711] draining\n" {
			t.Errorf("%s: got %v %v %v %v %v %v", name, i.Key, i.Zone, i.Weight, i.Ports, i.Tags, i.State)
		}
		if l := c.lookups[0]; l.question != (question{"users.example.com.", "", 8080}) || l.like.Zone != "b" {
			t.Errorf("%s: got %+v", name, l)
		}
	}
	if c, problems := parse("instances.yaml", []byte("{}\n")); len(problems) > 0 || len(c.instances) != 0 {
		t.Errorf("got %v, %v: want that a file may list nothing, if it says so", c, problems)
	}
}

// TestReferencePage reads the file on the reference page.
func TestReferencePage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/reference/instances-file.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	file, _, found := strings.Cut(rest, "```")
	if c, problems := parse("page.yaml", []byte(file)); !found || len(problems) > 0 || len(c.instances) != 3 || len(c.lookups) != 2 {
		t.Errorf("got %+v, %v", c, problems)
	}
}

// TestProblems makes one mistake of each kind. Each is shown with its place.
func TestProblems(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{"", "instances.yaml: the file holds no document"},
		{"services: [", "instances.yaml:1:"},
		{"servces: []", `instances.yaml:1:1: there is no field "servces"`},
		{"services: [{name: Users}]", `instances.yaml:1:19: service name "Users"`},
		{"services:\n- name: users\n  instances:\n  - 10.0.0.7", "instances.yaml:4:5: "},
		{"services:\n- name: users\n  instances: [{dns: users.example.com}]", "instances.yaml:3:15: the port of users.example.com is not known"},
		{"services:\n- name: users\n  instances: [{dns: u.example.com, type: SRV, port: 80}]", "instances.yaml:3:15: the port of u.example.com is not known, or is known twice"},
		{"services:\n- name: users\n  instances: [{dns: 'a b', port: 80}]", "instances.yaml:3:21: "},
		{"services:\n- name: users\n  instances: [{address: '10.0.0.7:80', dns: x.y, port: 80}]", "either address or dns"},
		{"services:\n- name: users\n  instances: [{address: '10.0.0.7:80', weight: 0}]", "instances.yaml:3:48: weight 0"},
		{"services:\n- name: users\n  instances: [0.0.0.0:80]", "where to listen"},
		{"services:\n- name: users\n  instances: ['10.0.0.7:80', '10.0.0.7:80']", "instances.yaml:3:30: 10.0.0.7:80 is listed twice; see instances.yaml:3:15"},
		{"services:\n- name: users\n- name: users", `instances.yaml:3:9: service "users" is listed twice; see instances.yaml:2:3`},
		{"services:\n- name: users\n  instances: [{address: '10.0.0.7:80', tags: [x]}]", `"x" is no tag`},
		{"services:\n- name: users\n  instances: [{address: '10.0.0.7:80', ports: [admin]}]", `"admin" is no further port`},
		{"services:\n- name: users\n  instances: [{address: '10.0.0.7:80', state: up}]", "one of starting, healthy"},
	} {
		_, problems := parse("instances.yaml", []byte(c.text))
		if len(problems) == 0 || !strings.Contains(problems[0].Error(), c.says) {
			t.Errorf("%s\n got %v\nwant %s", c.text, problems, c.says)
		}
	}
}

// FuzzParse checks that what is taken from a file is valid.
func FuzzParse(f *testing.F) {
	f.Add([]byte(valid))
	f.Add([]byte("services: [{name: a, instances: [{address: '[::ffff:1.2.3.4%0]:1', ports: [a=1]}]}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, problems := parse("f", text)
		if len(problems) > 0 {
			return
		}
		for _, i := range c.instances {
			i := i.WithDefaults()
			if found := i.Problems(); len(found) > 0 {
				t.Errorf("%q: %v", text, found)
			}
		}
	})
}
