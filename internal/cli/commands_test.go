package cli

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/doyen-mesh/doyen/test/machine"
)

// commands are the commands of scripts besides those of testscript.
func commands(t *testing.T) map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"freeport":   func(ts *testscript.TestScript, _ bool, names []string) { freePort(t, ts, names) },
		"eventually": eventually,
	}
}

// freePort sets each of the variables to a port on which nothing listens: freeport NAME...
func freePort(t *testing.T, ts *testscript.TestScript, names []string) {
	for i, port := range machine.FreePorts(t, len(names)) {
		ts.Setenv(names[i], strconv.Itoa(port))
	}
}

// eventually runs a command again and again until it succeeds and its output matches: eventually REGEXP COMMAND...
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(args[0])
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("not within 20 s: %v; stdout: %s", err, ts.ReadFile("stdout"))
		}
	}
}
