package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/api"
)

// TestBadCalls holds every way to call wrongly. Each must be told what was wrong and what
// would be right, and must change nothing.
func TestBadCalls(t *testing.T) {
	const users = "/v1/instances/users/10.0.0.7:9211"
	for _, test := range []struct {
		method, target, body string
		status               int
		want                 string // fields of problems and parts of texts, all of which must be there
	}{
		// The path.
		{"PUT", "/v1/instances/Users/10.0.0.7:9211", `{}`, 400, `service|"Users" may not contain`},
		{"PUT", "/v1/instances/users/10.0.0.7", `{}`, 400, `address|add the port: 10.0.0.7:9211`},
		{"PUT", "/v1/instances/users/::1:9211", `{}`, 400, `address|[2001:db8::7]:9211`},
		{"PUT", "/v1/instances/users/::1", `{}`, 400, `address|add brackets and the port: [::1]:9211`},
		{"PUT", "/v1/instances/users/localhost:9211", `{}`, 400, `address|host names are not looked up`},
		{"PUT", "/v1/instances/users/10.0.0.7:0", `{}`, 400, `address|has port 0`},
		{"PUT", "/v1/instances/users/10.0.0.7:65536", `{}`, 400, `address|no IP address with a port`},
		{"PUT", "/v1/instances/users/0.0.0.0:9211", `{}`, 400, `address|where to listen`},
		{"PUT", "/v1/instances/users/[::]:9211", `{}`, 400, `address|where to listen`},
		{"PUT", "/v1/instances/users/224.0.0.1:9211", `{}`, 400, `address|multicast`},
		{"PUT", "/v1/instances/users/255.255.255.255:9211", `{}`, 400, `address|broadcast`},
		{"PUT", "/v1/instances/users/[fe80::1%25eth0]:9211", `{}`, 400, `address|on one host only`},
		{"GET", "/v1/instances/us_ers", ``, 400, `service|may not contain '_'`},
		{"GET", "/v1/instances/users/here", ``, 400, `address`},
		{"GET", users, ``, 404, `no such instance|users at 10.0.0.7:9211`},
		{"DELETE", users, ``, 404, `no such instance`},
		{"GET", "/v1/instances/users/10.0.0.7:9211/tags", ``, 404, `/v1/instances/SERVICE/ADDRESS:PORT`},
		{"GET", "/v1/instances/users/", ``, 404, `there is no /v1/instances/users/`},
		// The method.
		{"POST", users, `{}`, 405, `DELETE, GET, PUT`},
		{"DELETE", "/v1/instances/users", ``, 405, `it has GET`},
		{"PUT", "/v1/instances", `{}`, 405, `it has GET`},
		{"GET", "/v1/services/users/expiry", ``, 405, `it has POST`},
		// The parameters.
		{"GET", "/v1/instances?watch=1", ``, 400, `?watch|one of after, wait`},
		{"GET", "/v1/instances?aftre=1", ``, 400, `?aftre|did you mean after?`},
		{"GET", "/v1/instances?after=1&after=2", ``, 400, `?after|twice`},
		{"GET", "/v1/instances?wait=3s", ``, 400, `?wait|?after=`},
		{"GET", "/v1/instances?after=x&wait=3", ``, 400, `?wait|such as 30s`},
		{"GET", "/v1/instances?after=x&wait=-6m", ``, 400, `?wait|such as 30s`},
		{"DELETE", users + "?incarnation=7", ``, 400, `?incarnation|POST .../incarnation`},
		{"PUT", users, `{"incarnation":7}`, 400, `incarnation|POST .../incarnation`},
		{"PUT", users, `{"incarnation":"7"}`, 400, `incarnation|POST .../incarnation`},
		{"PUT", users, `{"incarnation":"9999999999999-00000001"}`, 400, `incarnation|far above`},
		{"PUT", users, `{"sequence":-1}`, 400, `sequence|a whole number`},
		{"POST", users + "/incarnation", `{"up":1}`, 400, `up`},
		{"GET", "/v1/instances?after=%zz", ``, 400, `query`},
		{"DELETE", users + "?wait=-1s", ``, 400, `?wait|such as 30s`},
		{"PUT", users + "?state=healthy", `{}`, 400, `?state|network`},
		// The body as a whole.
		{"PUT", users, ``, 400, `body|ends too early|{} takes every default`},
		{"PUT", users, `[]`, 400, `body|no JSON object`},
		{"PUT", users, `null`, 400, `body|no JSON object`},
		{"PUT", users, `{"zone":"a"`, 400, `body|ends too early`},
		{"PUT", users, "{\n  \"zone\": a\n}", 400, `body|line 2`},
		{"PUT", users, `{} {}`, 400, `body|something follows`},
		{"PUT", users, `{"zone":"a","zone":"b"}`, 400, `body|"zone" is there twice`},
		{"PUT", users, "{\"zone\":\"\xff\"}", 400, `body|UTF-8`},
		{"PUT", users, `{"tags":{"a":"` + strings.Repeat("x", 70_000) + `"}}`, 413, `more than 65536 bytes`},
		{"PUT", users, strings.Repeat(`{"a":`, 13_000), 400, `body`},
		// The fields.
		{"PUT", users, `{"wieght":1}`, 400, `wieght|did you mean weight?`},
		{"PUT", users, `{"Weight":1}`, 400, `Weight|did you mean weight?`},
		{"PUT", users, `{"service":"users"}`, 400, `service|stands in the path`},
		{"PUT", users, `{"expires":"2030-01-01T00:00:00Z"}`, 400, `expires|follows from lease`},
		{"PUT", users, `{"weight":"heavy"}`, 400, `weight|a string: \"heavy\"|1-1000`},
		{"PUT", users, `{"weight":0}`, 400, `weight|1-1000`},
		{"PUT", users, `{"weight":1001}`, 400, `weight|1-1000`},
		{"PUT", users, `{"weight":-1}`, 400, `weight|a number: -1`},
		{"PUT", users, `{"weight":1.5}`, 400, `weight|a number: 1.5`},
		{"PUT", users, `{"weight":99999999999}`, 400, `weight|1-1000`},
		{"PUT", users, `{"weight":null}`, 400, `weight|null`},
		{"PUT", users, `{"state":"gone"}`, 400, `state|starting, healthy, unhealthy, draining`},
		{"PUT", users, `{"state":""}`, 400, `state|starting, healthy, unhealthy, draining`},
		{"PUT", users, `{"lease":600}`, 400, `lease|a number: 600|10s-24h`},
		{"PUT", users, `{"lease":"ten minutes"}`, 400, `lease|10s-24h`},
		{"PUT", users, `{"lease":"0s"}`, 400, `lease|10s-24h`},
		{"PUT", users, `{"lease":"9s"}`, 400, `lease|10s-24h`},
		{"PUT", users, `{"lease":"25h"}`, 400, `lease|10s-24h`},
		{"PUT", users, `{"zone":"A"}`, 400, `zone|eu-1a`},
		{"PUT", users, `{"zone":7}`, 400, `zone|a number: 7`},
		{"PUT", users, `{"ports":[9212]}`, 400, `ports|a list|admin`},
		{"PUT", users, `{"ports":{"admin":"9212"}}`, 400, `ports.admin|a string|1-65535`},
		{"PUT", users, `{"ports":{"admin":0,"Debug":1}}`, 400, `ports.admin|0 is out of range|ports.Debug`},
		{"PUT", users, `{"ports":{"admin":1,"admin":2}}`, 400, `ports|twice`},
		{"PUT", users, `{"ports":` + many(17, "p%d", "1") + `}`, 400, `ports|at most 16`},
		{"PUT", users, `{"tags":{"build":4711}}`, 400, `tags.build|a number: 4711|put it in quotes`},
		{"PUT", users, `{"tags":{"a b":"c"}}`, 400, `tags|is no tag`},
		{"PUT", users, `{"tags":{"a":"\u0007"}}`, 400, `tags.a|printable`},
		{"PUT", users, `{"tags":{"a":"` + strings.Repeat("x", 256) + `"}}`, 400, `tags.a|255 bytes`},
		{"PUT", users, `{"tags":` + many(33, "t%d", `""`) + `}`, 400, `tags|at most 32`},
		{"PUT", users, `{"reason":"a\u0007b"}`, 400, `reason|printable`},
		// Characters that reorder or hide the text around them.
		{"PUT", users, `{"tags":{"a":"admin\u202etxt"}}`, 400, `tags.a|printable`},
		{"PUT", users, `{"reason":"a\u2066b"}`, 400, `reason|printable`},
		{"PUT", users, `{"proxy":"sidecar\u200b/users"}`, 400, `proxy|printable`},
		{"PUT", users, `{"identity":"users"}`, 400, `identity|spiffe://`},
		{"PUT", users, `{"colour":1,"weight":0,"state":7,"zone":"A","ports":{"x":0}}`, 400, `5 things are wrong|colour|weight|state|zone|ports.x`},
		// Expiry.
		{"POST", "/v1/services/users/expiry", `{"decision":"keep"}`, 404, `nothing is in doubt|GET /v1/expiry`},
		{"POST", "/v1/expiry", `{"decision":"expire"}`, 404, `nothing is in doubt`},
		{"POST", "/v1/expiry", `{}`, 400, `decision|it is missing`},
		{"POST", "/v1/expiry", `{"decision":"maybe"}`, 400, `decision|keep`},
		{"POST", "/v1/expiry", `{"decision":null}`, 400, `decision|null`},
		{"POST", "/v1/expiry", `{"action":"keep"}`, 400, `action|one of decision`},
		{"POST", "/v1/services/Users/expiry", `{"decision":"keep"}`, 400, `service`},
		{"PUT", users + "?network=East", `{}`, 400, `?network`},
		{"PUT", users + "/maintenance", `{}`, 400, `reason|it is missing`},
		{"PUT", users + "/maintenance", `{"reason":""}`, 400, `reason`},
		{"PUT", users + "/maintenance", `{"why":"new disk"}`, 400, `why|one of reason`},
		{"PUT", users + "/maintenance", `{"reason":"new disk"}`, 404, `no such instance`},
		{"DELETE", users + "/maintenance", ``, 404, `no such instance`},
		{"POST", "/v1/maintenance", `{}`, 405, `GET`},
		{"GET", "/v1/expiry?all=1", ``, 400, `?all`},
	} {
		t.Run(fmt.Sprintf("%s %.60s %.40s", test.method, test.target, test.body), func(t *testing.T) {
			s := serve(t, api.Options{}, nil)
			answer, text := s.call(test.method, test.target, test.body)
			if answer.StatusCode != test.status {
				t.Fatalf("got %d %s, want %d", answer.StatusCode, text, test.status)
			}
			var refused httpapi.Error
			if err := json.Unmarshal([]byte(text), &refused); err != nil || refused.Error == "" {
				t.Errorf("answer %q is no error in JSON: %v", text, err)
			}
			for part := range strings.SplitSeq(test.want, "|") {
				plain, _ := json.Marshal(part)
				if !strings.Contains(text, part) && !strings.Contains(text, strings.Trim(string(plain), `"`)) {
					t.Errorf("answer %s does not say %s", text, part)
				}
			}
			if test.status == http.StatusMethodNotAllowed && answer.Header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
			if n := s.registry.Snapshot().Size(); n != 0 {
				t.Errorf("the call left %d instances in the registry", n)
			}
		})
	}
}

func many(n int, name, value string) string {
	var members []string
	for i := range n {
		members = append(members, fmt.Sprintf(`"`+name+`":%s`, i, value))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// TestWritesNeedJSON: a form that a browser sends from any page is not JSON.
func TestWritesNeedJSON(t *testing.T) {
	s := serve(t, api.Options{}, nil)
	for _, target := range []string{"PUT /v1/instances/users/10.0.0.7:80", "POST /v1/expiry", "POST /v1/services/users/expiry"} {
		method, path, _ := strings.Cut(target, " ")
		for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", ";"} {
			r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(`{}`))
			r.Header.Set("Content-Type", kind)
			if answer, text := s.do(r); answer.StatusCode != http.StatusUnsupportedMediaType {
				t.Errorf("%s as %q: got %d %s, want 415", target, kind, answer.StatusCode, text)
			}
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), "PUT", "/v1/instances/users/10.0.0.7:80", strings.NewReader(`{}`))
	r.Header.Set("Content-Type", "Application/JSON; charset=utf-8")
	if answer, text := s.do(r); answer.StatusCode != http.StatusCreated {
		t.Errorf("JSON with a charset: got %d %s, want 201", answer.StatusCode, text)
	}
}

// TestStoreFails: what the store says decides the status.
func TestStoreFails(t *testing.T) {
	for _, test := range []struct {
		err    error
		status int
		want   string
	}{
		{fmt.Errorf("disk: %w", registry.ErrFull), http.StatusInsufficientStorage, "make room"},
		{errors.New("broken"), http.StatusServiceUnavailable, "broken"},
	} {
		s := serve(t, api.Options{}, failing{test.err})
		answer, text := s.call("PUT", "/v1/instances/users/10.0.0.7:80", `{}`)
		if answer.StatusCode != test.status || !strings.Contains(text, test.want) {
			t.Errorf("got %d %s, want %d with %q", answer.StatusCode, text, test.status, test.want)
		}
		if n := s.registry.Snapshot().Size(); n != 0 {
			t.Errorf("a refused check-in is in the registry")
		}
	}
}
