package discovery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/discovery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a handler over a running registry, and how to call it.
type server struct {
	t        *testing.T
	registry *registry.Registry
	handler  http.Handler
}

func serve(t *testing.T) *server {
	t.Helper()
	r, err := registry.New(t.Context(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = r.Run(ctx) })
	t.Cleanup(func() { cancel(); done.Wait() })
	return &server{t, r, discovery.Handler(discovery.Options{Registry: r, Hosts: []string{"discovery.internal"}})}
}

// request makes one call and returns the answer.
func (s *server) request(method, path string, form url.Values, change ...func(*http.Request)) (status int, body string) {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(form.Encode()))
	r.Host = "10.0.0.1:8080"
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return w.Code, strings.TrimSpace(string(text))
}

// want makes a call and compares status and body. Times of check-ins are left out.
func (s *server) want(status int, want, method, path string, form url.Values) {
	s.t.Helper()
	got, body := s.request(method, path, form)
	body = regexp.MustCompile(`"last_check_in":"[^"]+"`).ReplaceAllString(body, `"last_check_in":"T"`)
	if got != status || !strings.Contains(body, want) {
		s.t.Errorf("%s %s: got %d %s\nwant %d %s", method, path, got, body, status, want)
	}
}

const tags = `{"az": "us-east-1a", "region": "us-east-1", "instance_id": "i-934342"`

// post is the form of a check-in; more are further tags, as JSON after a comma.
func post(ip, more string) url.Values {
	return url.Values{"ip": {ip}, "port": {"9211"}, "revision": {"abc"}, "service_repo_name": {"users-repo"}, "tags": {tags + more + "}"}}
}

// TestWireForm checks a host in, lists it, changes its weight and removes it.
func TestWireForm(t *testing.T) {
	s := serve(t)
	s.want(200, `{"service":"users","env":"production","hosts":[]}`, "GET", "/v1/registration/users", nil)
	s.want(200, `{}`, "POST", "/v1/registration/users", post("10.0.0.7", `, "canary": true, "onebox_name": "box", "nested": {"a": 1}`))
	const host = `{"service":"users","ip_address":"10.0.0.7","port":9211,"service_repo_name":"users-repo","revision":"abc","last_check_in":"T","tags":{"az":"us-east-1a","canary":true,"instance_id":"i-934342","nested":"{\"a\": 1}","onebox_name":"box","region":"us-east-1"}}`
	s.want(200, `{"service":"users","env":"production","hosts":[`+host+`]}`, "GET", "/v1/registration/users", nil)
	s.want(200, `{"service_repo_name":"users-repo","env":"production","hosts":[`+host+`]}`, "GET", "/v1/registration/repo/users-repo", nil)
	s.want(200, `"hosts":[]`, "GET", "/v1/registration/repo/another", nil)
	got := s.instance("users", "10.0.0.7:9211")
	want := &registry.Instance{
		Key: got.Key, Zone: "us-east-1/us-east-1a", Weight: 100, State: registry.Healthy, Lease: 10 * time.Minute,
		Tags: map[string]string{
			"az": "us-east-1a", "region": "us-east-1", "instance_id": "i-934342", "canary": "true", "onebox_name": "box", "nested": `{"a": 1}`,
			"doyen/source": "discovery", "discovery/revision": "abc", "discovery/service_repo_name": "users-repo",
		},
	}
	if !got.Equal(want) {
		t.Errorf("the registry has %s", cmp.Diff(want, got, cmp.AllowUnexported(registry.Incarnation{}), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })))
	}

	s.want(204, "", "POST", "/v1/loadbalancing/users/10.0.0.7", url.Values{"load_balancing_weight": {"3"}})
	s.want(200, `"load_balancing_weight":3`, "GET", "/v1/registration/users", nil)
	if weight := s.instance("users", "10.0.0.7:9211").Weight; weight != 30 {
		t.Errorf("weight %d, want 30", weight)
	}
	// The next check-in, which does not have the weight, keeps it.
	s.want(200, `{}`, "POST", "/v1/registration/users", post("10.0.0.7", ""))
	s.want(200, `"load_balancing_weight":3`, "GET", "/v1/registration/users", nil)
	s.want(200, `{}`, "POST", "/v1/registration/users", post("10.0.0.8", `, "load_balancing_weight": "100"`))
	s.want(204, "", "POST", "/v1/loadbalancing/users", url.Values{"load_balancing_weight": {"50"}})
	for _, address := range []string{"10.0.0.7:9211", "10.0.0.8:9211"} {
		if weight := s.instance("users", address).Weight; weight != 500 {
			t.Errorf("%s: weight %d, want 500", address, weight)
		}
	}
	s.want(200, `{}`, "DELETE", "/v1/registration/users/10.0.0.7", nil)
	s.want(400, `{"error":`, "DELETE", "/v1/registration/users/10.0.0.7", nil)
	s.want(200, `{}`, "DELETE", "/v1/registration/users/10.0.0.8:9211", nil)
	s.want(200, `"hosts":[]`, "GET", "/v1/registration/users", nil)
	s.want(200, `{}`, "GET", "/healthcheck", nil)
}

func (s *server) instance(service, address string) *registry.Instance {
	s.t.Helper()
	all := s.registry.Snapshot().Instances("users")
	for _, i := range all {
		if string(i.Service) == service && i.Address.String() == address {
			return i
		}
	}
	s.t.Fatalf("the registry has no %s at %s", service, address)
	return nil
}

// TestRenewalByPost checks that a repeated post renews the lease and changes nothing else: no proxy hears of it.
func TestRenewalByPost(t *testing.T) {
	s := serve(t)
	s.want(200, `{}`, "POST", "/v1/registration/users", post("10.0.0.7", ""))
	before := s.registry.Snapshot()
	first, _ := s.registry.Lease(s.instance("users", "10.0.0.7:9211").Key)
	s.want(200, `{}`, "POST", "/v1/registration/users", post("10.0.0.7", ""))
	second, _ := s.registry.Lease(first.Key)
	if s.registry.Snapshot() != before || !second.Expires.After(first.Expires) {
		t.Errorf("lease until %v and then %v, new snapshot %v: want a renewal", first.Expires, second.Expires, s.registry.Snapshot() != before)
	}
	_, body := s.request("GET", "/v1/registration/users", nil)
	var answer struct {
		Hosts []struct {
			LastCheckIn time.Time `json:"last_check_in"`
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Hosts) != 1 || time.Since(answer.Hosts[0].LastCheckIn) > time.Minute {
		t.Errorf("got %s, %v: want the time of the last check-in", body, err)
	}
}

// TestInstanceOfAnAgent checks that jobs do not disturb an instance that has an agent, and that it is listed.
func TestInstanceOfAnAgent(t *testing.T) {
	s := serve(t)
	agents := registry.Instance{Key: registry.Key{Service: "users", Address: netip.MustParseAddrPort("10.0.0.7:9211")}, Zone: "a", Incarnation: s.registry.Issue(), Sequence: 1}
	if _, err := s.registry.CheckIn(t.Context(), agents); err != nil {
		t.Fatal(err)
	}
	before := s.registry.Snapshot()
	s.want(200, `{}`, "POST", "/v1/registration/users", post("10.0.0.7", ""))
	s.want(400, `no such host came from here`, "DELETE", "/v1/registration/users/10.0.0.7", nil)
	s.want(404, `no such host came from here`, "POST", "/v1/loadbalancing/users/10.0.0.7", url.Values{"load_balancing_weight": {"3"}})
	s.want(204, ``, "POST", "/v1/loadbalancing/users", url.Values{"load_balancing_weight": {"3"}})
	if s.registry.Snapshot() != before {
		t.Error("the instance was changed")
	}
	s.want(200, `"tags":{"az":"a","instance_id":"10.0.0.7:9211","region":""}`, "GET", "/v1/registration/users", nil)
	agents.State, agents.Sequence = registry.Draining, 2
	if _, err := s.registry.CheckIn(t.Context(), agents); err != nil {
		t.Fatal(err)
	}
	s.want(200, `"hosts":[]`, "GET", "/v1/registration/users", nil)
}

func TestRefusals(t *testing.T) {
	s := serve(t)
	with := func(name, value string) url.Values {
		form := post("10.0.0.7", "")
		if form.Set(name, value); value == "" {
			form.Del(name)
		}
		return form
	}
	s.want(200, `{}`, "POST", "/v1/registration/twice", post("10.0.0.9", ""))
	second := post("10.0.0.9", "")
	second.Set("port", "9212")
	s.want(200, `{}`, "POST", "/v1/registration/twice", second)
	many := ""
	for i := range 30 {
		many += fmt.Sprintf(`, "t%d": "x"`, i)
	}
	for what, c := range map[string]struct {
		method, path string
		form         url.Values
		status       int
		says         string
	}{
		"a name that is none":     {"POST", "/v1/registration/Users_1", post("10.0.0.7", ""), 400, "service name"},
		"no IP":                   {"POST", "/v1/registration/users", with("ip", ""), 400, "ip"},
		"a host name":             {"POST", "/v1/registration/users", with("ip", "host"), 400, "ip"},
		"an IP for listening":     {"POST", "/v1/registration/users", with("ip", "0.0.0.0"), 400, "where to listen"},
		"no port":                 {"POST", "/v1/registration/users", with("port", ""), 400, "port"},
		"port 0":                  {"POST", "/v1/registration/users", with("port", "0"), 400, "port"},
		"port 70000":              {"POST", "/v1/registration/users", with("port", "70000"), 400, "port"},
		"no revision":             {"POST", "/v1/registration/users", with("revision", ""), 400, "revision"},
		"no tags":                 {"POST", "/v1/registration/users", with("tags", ""), 400, "tags"},
		"tags that are no object": {"POST", "/v1/registration/users", with("tags", "[]"), 400, "tags"},
		"no zone":                 {"POST", "/v1/registration/users", with("tags", `{"region": "r", "instance_id": "i"}`), 400, "az is required"},
		"a reserved tag":          {"POST", "/v1/registration/users", post("10.0.0.7", `, "doyen/source": "x"`), 400, "only the server sets"},
		"too many tags":           {"POST", "/v1/registration/users", post("10.0.0.7", many), 400, "at most 32"},
		"a weight of 0":           {"POST", "/v1/registration/users", post("10.0.0.7", `, "load_balancing_weight": 0`), 400, "want 1-100"},
		"a weight of 101":         {"POST", "/v1/loadbalancing/users", url.Values{"load_balancing_weight": {"101"}}, 400, "want 1-100"},
		"no weight":               {"POST", "/v1/loadbalancing/users", nil, 400, "want 1-100"},
		"weight of nobody":        {"POST", "/v1/loadbalancing/users/10.0.0.9", url.Values{"load_balancing_weight": {"1"}}, 404, "no such host"},
		"two ports":               {"DELETE", "/v1/registration/twice/10.0.0.9", nil, 400, "IP:PORT"},
		"removing a name":         {"DELETE", "/v1/registration/twice/host", nil, 400, "neither an IP address"},
		"too large":               {"POST", "/v1/registration/users", with("revision", strings.Repeat("x", 1<<17)), 413, "65536"},
		"auto_ip on this host":    {"POST", "/v1/registration/users", url.Values{"auto_ip": {"1"}}, 400, "send ip"},
	} {
		t.Run(what, func(t *testing.T) {
			status, body := s.request(c.method, c.path, c.form, func(r *http.Request) { r.RemoteAddr = "127.0.0.1:5000" })
			if status != c.status || !strings.Contains(body, c.says) || !strings.HasPrefix(body, `{"error":`) {
				t.Errorf("got %d %s, want %d with %q", status, body, c.status, c.says)
			}
		})
	}
	if n := len(s.registry.Snapshot().Instances("users")); n != 0 {
		t.Errorf("%d hosts were registered", n)
	}
	s.want(200, `{}`, "DELETE", "/v1/registration/twice/10.0.0.9:9212", nil)
	s.want(200, `{}`, "DELETE", "/v1/registration/twice/10.0.0.9", nil)
}

// TestBrowsersAreRefused checks that no web page can register a host, not even with a form or with DNS rebinding.
func TestBrowsersAreRefused(t *testing.T) {
	s := serve(t)
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for what, c := range map[string]struct {
		change func(*http.Request)
		status int
	}{
		"a form of a page":        {header("Origin", "http://evil.example.com"), 403},
		"a form of a file":        {header("Origin", "null"), 403},
		"a page of this host":     {header("Sec-Fetch-Site", "same-origin"), 403},
		"an old browser":          {header("Referer", "http://evil.example.com/"), 403},
		"a rebound name":          {func(r *http.Request) { r.Host = "evil.example.com:8080" }, 421},
		"a form without encoding": {header("Content-Type", "text/plain"), 415},
		"JSON":                    {header("Content-Type", "application/json"), 415},
		"a name of the server":    {func(r *http.Request) { r.Host = "discovery.internal:8080" }, 200},
	} {
		if status, body := s.request("POST", "/v1/registration/users", post("10.0.0.7", ""), c.change); status != c.status {
			t.Errorf("%s: got %d %s, want %d", what, status, body, c.status)
		}
	}
	status, _ := s.request("GET", "/v1/registration/users", nil, func(r *http.Request) { r.Host = "evil.example.com" })
	if status != 421 {
		t.Errorf("a page reads the list: %d", status)
	}
}

// TestAutoIP checks that a host that does not know its address is registered with the one that it calls from.
func TestAutoIP(t *testing.T) {
	s := serve(t)
	form := post("", "")
	form.Del("ip")
	form.Set("auto_ip", "true")
	if status, body := s.request("POST", "/v1/registration/users", form, func(r *http.Request) { r.RemoteAddr = "192.168.1.7:5000" }); status != 200 {
		t.Errorf("got %d %s", status, body)
	}
	s.instance("users", "192.168.1.7:9211")
}

// FuzzRegister posts arbitrary forms: the server neither fails nor registers what is not valid.
func FuzzRegister(f *testing.F) {
	f.Add("users", post("10.0.0.7", "").Encode())
	f.Add("users", "ip=::1&port=1&revision=x&tags={\"az\":null,\"region\":1,\"instance_id\":[]}")
	f.Add("u_s", "auto_ip=1&%zz")
	r, err := registry.New(f.Context(), registry.Options{})
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.Cleanup(func() { cancel(); <-r.Done() })
	go func() { _ = r.Run(ctx) }()
	h := discovery.Handler(discovery.Options{Registry: r})
	f.Fuzz(func(t *testing.T, service, form string) {
		request := httptest.NewRequest("POST", "/v1/registration/"+url.PathEscape(service), strings.NewReader(form))
		request.Host = "127.0.0.1"
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request)
		if w.Code >= 500 {
			t.Errorf("%q: %d %s", form, w.Code, w.Body)
		}
		for _, instances := range r.Snapshot().ByService() {
			for _, i := range instances {
				if found := i.Problems(); len(found) > 0 {
					t.Errorf("%q: registered %v: %v", form, i, found)
				}
			}
		}
	})
}

// TestTagsOfEarlierCheckIns: they stay until there are too many. Then a check-in is not refused for them, and the weight
// that somebody has set stays.
func TestTagsOfEarlierCheckIns(t *testing.T) {
	s := serve(t)
	const path = "/v1/registration/users"
	s.want(200, "{}", "POST", path, post("10.0.0.7", ""))
	s.want(204, "", "POST", "/v1/loadbalancing/users/10.0.0.7", url.Values{"load_balancing_weight": {"7"}})
	for n := range 2 * registry.MaxTags {
		s.want(200, "{}", "POST", path, post("10.0.0.7", fmt.Sprintf(`, "release-%d": "yes"`, n)))
	}
	s.want(200, `"load_balancing_weight":7`, "GET", path, nil)
	s.want(200, fmt.Sprintf(`"release-%d":"yes"`, 2*registry.MaxTags-1), "GET", path, nil)
}
