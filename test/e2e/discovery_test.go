package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/doyen-mesh/doyen/test/machine"
)

// checkInJob is a check-in job as it was written for lyft/discovery, with the form posts of Python's standard library.
const checkInJob = `
import json, sys, urllib.parse, urllib.request
base, ip, port = sys.argv[1:]
form = {'ip': ip, 'port': port, 'revision': '4711abc', 'service_repo_name': 'users-repo',
        'tags': json.dumps({'az': 'us-east-1a', 'region': 'us-east-1', 'instance_id': 'i-1', 'canary': False, 'load_balancing_weight': 50})}
with urllib.request.urlopen(base + '/v1/registration/users', urllib.parse.urlencode(form).encode()) as answer:
    assert answer.status == 200, answer.status
with urllib.request.urlopen(base + '/v1/registration/users') as answer:
    hosts = json.load(answer)['hosts']
    assert any(h['ip_address'] == ip and h['port'] == int(port) for h in hosts), hosts
`

// TestDiscoveryJobs checks hosts in with jobs of lyft/discovery, one with curl as on the reference page and one in
// Python: an edge calls both, by their weights, and stops calling one that is removed.
func TestDiscoveryJobs(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"curl", "python3"} {
		if _, err := exec.LookPath(tool); err != nil {
			machine.Missing(t, "there is no "+tool)
		}
	}
	port := fmt.Sprintf("127.0.0.1:%d", machine.FreePorts(t, 1)[0])
	m := newMeshWith(t, map[string]string{"users.yaml": loneService, "edge.yaml": loneEdge}, nil, "--discovery", port)
	at := startAddresses(t, 2)
	edge := m.startEdge("public")

	page, err := os.ReadFile("../../docs/reference/discovery.md")
	if err != nil {
		t.Fatal(err)
	}
	job := regexp.MustCompile("(?s)```bash\n(.*?)```").FindSubmatch(page)
	if job == nil {
		t.Fatal("the page has no job")
	}
	ip, appPort, _ := net.SplitHostPort(at[0])
	script := strings.NewReplacer("localhost:8080", port, "10.0.0.7", ip, "9211", appPort).Replace(string(job[1]))
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "{}" {
		t.Fatalf("%s\n%v: %s", script, err, out)
	}
	answers(t, edge, "any.example.com", at[0])
	ip, appPort, _ = net.SplitHostPort(at[1])
	if out, err := exec.Command("python3", "-c", checkInJob, "http://"+port, ip, appPort).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ask := func() (string, error) { return ask(http.DefaultClient, edge, "any.example.com") }
	eventually(t, "requests are spread by weight, 100 and 500", func() string {
		return want("answers of 60", ofTen(ask, at[1])+ofTen(ask, at[1])+ofTen(ask, at[1])+ofTen(ask, at[1])+ofTen(ask, at[1])+ofTen(ask, at[1]), 40, 59)
	})
	request, err := http.NewRequest(http.MethodDelete, "http://"+port+"/v1/registration/users/"+ip, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("DELETE: %v, %v", response, err)
	}
	response.Body.Close()
	eventually(t, "the removed host is called no more", func() string {
		return want("answers of ten", ofTen(ask, at[0]), 10, 10)
	})
}
