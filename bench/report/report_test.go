package report

import (
	"encoding/xml"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/bench/compare"
	"github.com/doyen-mesh/doyen/bench/fleet"
	"github.com/doyen-mesh/doyen/bench/program"
	"github.com/doyen-mesh/doyen/bench/serve"
)

func run() Run {
	result := func(server string, change time.Duration, heap int64) compare.Result {
		return compare.Result{
			Scenario: compare.Scenario{Group: compare.Shared, Server: server, Protocol: fleet.Delta, Clients: 1000},
			Change:   compare.Change{CPU: change, P99: change}, Memory: compare.Memory{HeapPerClient: heap},
			Sync: compare.Sync{CPU: change}, Verified: true,
		}
	}
	return Run{
		Machine: Machine{Processor: "a processor", Cores: 2}, Commit: "abc", Date: "2026-11-21", Command: "go run . -full",
		Results: []compare.Result{
			result(serve.Floor, 8*time.Millisecond, 4<<10),
			result(serve.PeerLinear, 1200*time.Millisecond, 300<<10), result(serve.DoyenSnapshot, 10*time.Millisecond, 8<<10),
		},
		Program: program.Figures{Ready: 20 * time.Millisecond, RSS: 50 << 20},
	}
}

func TestPageSaysWhatWasMeasured(t *testing.T) {
	page, err := Page(run())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"a processor", "`abc`", "| 10 ms ", "| 1200 ms (linear)", "| 120x ", "| 1.2x ", "| 38x ",
		"| 20 ms    | under 300 ms | yes", "| 50.0 MiB | under 40 MiB | **no** |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q:\n%s", want, page)
		}
	}
}

func TestPageSaysWhatFailed(t *testing.T) {
	failed := run()
	failed.Results[1].Error, failed.Results[1].Verified = "a client holds something else", false
	page, err := Page(failed)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page, "- Failed: a client holds something else") || strings.Contains(page, "120x") {
		t.Errorf("the page takes what failed for a figure:\n%s", page)
	}
}

func TestPlotIsXML(t *testing.T) {
	for name, plot := range Plots(run()) {
		decoder := xml.NewDecoder(strings.NewReader(plot))
		for {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if shown := strings.Contains(plot, serve.DoyenSnapshot); shown != strings.Contains(name, "delta") {
			t.Errorf("%s shows doyen: %v", name, shown)
		}
	}
}

func TestRunsCanBeReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.json")
	want := run()
	if err := want.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, wrote %+v", got, want)
	}
}
