package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/test/machine"
)

// TestPrometheus runs the configuration, rules and queries of the page on Prometheus with a real Prometheus, which
// scrapes a server and its Envoys. It is skipped if there is none on PATH, as in continuous integration.
func TestPrometheus(t *testing.T) {
	for _, program := range []string{"prometheus", "promtool"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	page, err := os.ReadFile("../../docs/prometheus.md")
	if err != nil {
		t.Fatal(err)
	}
	m := newMesh(t, map[string]string{"users.yaml": loneService, "edge.yaml": loneEdge})
	m.startInstance("users", "users-1", options{})
	edge := m.launchEdge("public", "http")
	edge.listens(t, "http")
	m.inSync()

	dir, port := t.TempDir(), machine.FreePorts(t, 1)[0]
	here := strings.NewReplacer("127.0.0.1:18001", m.http, "127.0.0.1:9901", "127.0.0.1:"+strconv.Itoa(edge.admin), "scrape_interval: 15s", "scrape_interval: 1s")
	for _, block := range regexp.MustCompile("(?s)```yaml\n# (\\S+)\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		if err := os.WriteFile(filepath.Join(dir, block[1]), []byte(here.Replace(block[2])), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if said, err := exec.Command("promtool", "check", "config", filepath.Join(dir, "prometheus.yml")).CombinedOutput(); err != nil {
		t.Fatalf("promtool check config: %v\n%s", err, said)
	}
	p := prometheus{t, "http://127.0.0.1:" + strconv.Itoa(port)}
	start(t, "prometheus", nil, "prometheus", "--config.file", filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(dir, "data"),
		"--web.listen-address", fmt.Sprintf("127.0.0.1:%d", port), "--log.level", "warn")

	queries := regexp.MustCompile("(?s)```promql\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(queries) < 5 {
		t.Fatalf("the page has %d queries: the test does not understand it", len(queries))
	}
	queries = append(queries, []string{"", "cluster:requests:rate1m"}, []string{"", `up{job="doyen"} == 1`}, []string{"", `up{job="envoy"} == 1`})
	for _, query := range queries {
		eventually(t, query[1]+" has a value", func() string {
			// There is always activity: a request, and once per second a change that the edge acknowledges.
			answers(t, edge.url+"/", "any.example.com", "users-1")
			m.write("users.yaml", fmt.Sprintf("%straffic: {timeout: %ds}\n", loneService, 1+time.Now().Second()))
			return p.hasValue(query[1])
		})
	}
	if firing := p.ask("/api/v1/alerts", nil); strings.Contains(firing, `"alertname"`) {
		t.Errorf("a mesh that is well has alerts: %s", firing)
	}
	m.write("users.yaml", strings.Replace(loneService, "ports", "prots", 1))
	eventually(t, "a mistake in a document is an alert", func() string {
		if alerts := p.ask("/api/v1/alerts", nil); !strings.Contains(alerts, `"DoyenDocumentsNotInForce"`) {
			return alerts
		}
		return ""
	})
}

// prometheus is a running Prometheus.
type prometheus struct {
	t   *testing.T
	url string
}

// hasValue returns "" if the result of a query is a number.
func (p prometheus) hasValue(query string) string {
	answer := p.ask("/api/v1/query", url.Values{"query": {query}})
	var decoded struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(answer), &decoded); err != nil {
		return err.Error()
	}
	for _, r := range decoded.Data.Result {
		if r.Value[1] != "NaN" {
			return ""
		}
	}
	return "so far it is " + answer
}

// ask returns the body of an answer, or why there is none.
func (p prometheus) ask(path string, query url.Values) string {
	response, err := http.Get(p.url + path + "?" + query.Encode())
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}
