package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry/api"
	"github.com/doyen-mesh/doyen/test/machine"
)

const reference = "../../../docs/reference/registry-api.md"

// volatile are the values in answers that are never the same twice.
var volatile = regexp.MustCompile(`"(expires|since|until|renewAfter|waited|version|incarnation)": ?"[^"]+"`)

// version and incarnation are what later calls on the page repeat.
var (
	version     = regexp.MustCompile(`"version": ?"([^"]+)"`)
	incarnation = regexp.MustCompile(`"incarnation": ?"([^"]+)"`)
)

// TestReference makes the calls of the reference page and compares the answers with those
// that stand there.
func TestReference(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		machine.Missing(t, "curl is not installed")
	}
	s := serve(t, api.Options{Settled: func(context.Context, mesh.ServiceName) error {
		time.Sleep(2 * time.Millisecond)
		return nil
	}}, nil)
	server := httptest.NewServer(s.handler)
	defer server.Close()
	// The page's address, and versions and incarnations once they are known, stand for those of this run.
	actual := []string{"localhost:18001", strings.TrimPrefix(server.URL, "http://")}
	blocks := blocksOf(t, "console")
	if len(blocks) < 6 {
		t.Fatalf("the page has %d blocks", len(blocks))
	}
	for _, block := range blocks {
		command, want := split(block)
		out, err := exec.CommandContext(t.Context(), "sh", "-c", strings.NewReplacer(actual...).Replace(command)).CombinedOutput()
		if err != nil {
			t.Fatalf("%s\n%v\n%s", command, err, out)
		}
		if !sameAnswer(string(out), want) {
			t.Errorf("%s\nanswers\n%s\nand the page says\n%s", command, out, want)
		}
		for _, name := range []*regexp.Regexp{version, incarnation} {
			if said, is := name.FindStringSubmatch(want), name.FindSubmatch(out); said != nil && is != nil {
				actual = append(actual, said[1], string(is[1]))
			}
		}
	}
}

// TestReferenceForms checks the page's further JSON against the form.
func TestReferenceForms(t *testing.T) {
	for _, block := range blocksOf(t, "json") {
		decoder := json.NewDecoder(strings.NewReader(block))
		decoder.DisallowUnknownFields()
		var doubts api.Doubts
		if err := decoder.Decode(&doubts); err != nil || len(doubts.Doubts) != 1 {
			t.Errorf("%s: %v", block, err)
		}
		again, err := json.Marshal(doubts)
		if err != nil || !sameAnswer(string(again), block) {
			t.Errorf("the page says %s, and the form is %s, %v", block, again, err)
		}
	}
}

func blocksOf(t *testing.T, kind string) []string {
	t.Helper()
	page, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, match := range regexp.MustCompile(fmt.Sprintf("(?s)```%s\n(.*?)```", kind)).FindAllSubmatch(page, -1) {
		found = append(found, string(match[1]))
	}
	return found
}

// split takes the commands, which begin with "$ " and may go on after a backslash, from
// the output that follows them.
func split(block string) (commands, output string) {
	goesOn := false
	for line := range strings.Lines(block) {
		typed, isCommand := strings.CutPrefix(line, "$ ")
		if !isCommand && !goesOn {
			output += line
			continue
		}
		commands += typed
		goesOn = strings.HasSuffix(line, "\\\n")
	}
	return commands, output
}

func sameAnswer(got, want string) bool {
	if strings.TrimSpace(want) == "" {
		return strings.TrimSpace(got) == ""
	}
	var a, b any
	return json.Unmarshal([]byte(volatile.ReplaceAllString(got, `"$1": "X"`)), &a) == nil &&
		json.Unmarshal([]byte(volatile.ReplaceAllString(want, `"$1": "X"`)), &b) == nil && reflect.DeepEqual(a, b)
}
