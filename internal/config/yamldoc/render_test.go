package yamldoc

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

var problem = Problem{
	Origin:   mesh.Origin{File: "team/users.yaml", Line: 12, Column: 4, Owner: "identity@example.com"},
	Message:  "timeout 90s is above the mesh's bound of 60s",
	Expected: "at most 60s",
	Hint:     "ask for less",
	Related:  mesh.Origin{File: "mesh.yaml", Line: 7, Column: 15, Owner: "network@example.com"},
	Source:   "\tü: 90s",
	Length:   3,
}

func TestRenderPlain(t *testing.T) {
	// The tab stays a tab, so that the mark is below the text however wide a terminal makes it.
	want := `team/users.yaml:12:4: timeout 90s is above the mesh's bound of 60s
 12 | 	ü: 90s
    | 	  ^^^
    expected: at most 60s
    hint: ask for less
    see: mesh.yaml:7:15
    owner: identity@example.com
`
	if diff := cmp.Diff(want, rendered(t, false)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Of a long line the part around the mark is shown.
func TestRenderLongLine(t *testing.T) {
	filler := strings.Repeat("x", 1000)
	for _, test := range []struct{ name, before, after, want string }{
		{"at its beginning", "", filler, " 1 | WRONG" + filler[:195] + "...\n   | ^^^^^\n"},
		{"in its middle", filler, filler, " 1 | ..." + filler[:100] + "WRONG" + filler[:95] + "...\n   | " + strings.Repeat(" ", 103) + "^^^^^\n"},
		{"at its end", filler, "", " 1 | ..." + filler[:195] + "WRONG\n   | " + strings.Repeat(" ", 198) + "^^^^^\n"},
		{"longer than what is shown", "", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := Problem{Origin: mesh.Origin{File: "a.yaml", Line: 1, Column: len(test.before) + 1}, Message: "wrong",
				Source: test.before + "WRONG" + test.after, Length: len("WRONG")}
			if test.want == "" {
				p.Source, p.Length = filler, len(filler)
				test.want = " 1 | " + filler[:200] + "...\n   | " + strings.Repeat("^", 200) + "\n"
			}
			var b bytes.Buffer
			if err := Render(&b, Problems{p}, Style{}); err != nil {
				t.Fatal(err)
			}
			place := "a.yaml:1:" + strconv.Itoa(p.Origin.Column)
			if diff := cmp.Diff(place+": wrong\n"+test.want, b.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What stands in a document does not reach the terminal as it is, and the mark stays below what it marks.
func TestRenderEscapes(t *testing.T) {
	p := Problem{
		Origin: mesh.Origin{File: "a\x1b.yaml", Line: 1, Column: 10, Owner: "me\x1b[1A"}, Message: "no \u202ename",
		Hint: "did you\nmean: x", Source: "\u009b2J\x1b[2K: WRONG", Length: len("WRONG"),
	}
	want := `a\x1b.yaml:1:10: no \u202ename
 1 | ` + "\ufffd2J\ufffd[2K: WRONG" + `
   |          ^^^^^
   hint: did you\nmean: x
   owner: me\x1b[1A
`
	var b bytes.Buffer
	if err := Render(&b, Problems{p}, Style{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRenderColor(t *testing.T) {
	got := rendered(t, true)
	if !strings.Contains(got, "\x1b[1;31m^^^\x1b[0m") {
		t.Errorf("no red mark in %q", got)
	}
	plain := strings.NewReplacer("\x1b[1m", "", "\x1b[1;31m", "", "\x1b[1;34m", "", "\x1b[0m", "").Replace(got)
	if diff := cmp.Diff(rendered(t, false), plain); diff != "" {
		t.Errorf("the text differs from the plain one (-plain +coloured):\n%s", diff)
	}
}

// TestRenderWraps wants what is expected and the hint to fit the terminal, in colours too.
func TestRenderWraps(t *testing.T) {
	p := problem
	p.Expected, p.Hint = strings.Repeat("word ", 20), strings.Repeat("hint ", 20)
	for _, color := range []bool{false, true} {
		var b bytes.Buffer
		if err := Render(&b, Problems{p}, Style{Color: color, Width: 40}); err != nil {
			t.Fatal(err)
		}
		plain := strings.NewReplacer("\x1b[1m", "", "\x1b[1;31m", "", "\x1b[1;34m", "", "\x1b[0m", "").Replace(b.String())
		if words := strings.Count(plain, "word"); words != 20 || !strings.Contains(plain, "\n      hint hint") {
			t.Errorf("%d of 20 words in:\n%s", words, plain)
		}
		for _, line := range strings.Split(plain, "\n")[1:] {
			if len([]rune(line)) > 40 {
				t.Errorf("line of %d columns: %q", len([]rune(line)), line)
			}
		}
	}
}

func rendered(t *testing.T, color bool) string {
	t.Helper()
	var b bytes.Buffer
	if err := Render(&b, Problems{problem}, Style{Color: color}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestRenderPassesErrorsOn(t *testing.T) {
	if err := Render(brokenPipe{}, Problems{problem}, Style{}); err == nil {
		t.Error("want an error")
	}
}

func TestProblemOnOneLine(t *testing.T) {
	want := "team/users.yaml:12:4: timeout 90s is above the mesh's bound of 60s; expected at most 60s; ask for less; see mesh.yaml:7:15"
	if got := problem.Error(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// The JSON form is an interface: scripts and editors read it.
func TestProblemJSON(t *testing.T) {
	for _, test := range []struct {
		problem Problem
		want    string
	}{
		{problem, `{"file":"team/users.yaml","line":12,"column":4,"owner":"identity@example.com",` +
			`"message":"timeout 90s is above the mesh's bound of 60s","expected":"at most 60s","hint":"ask for less",` +
			`"related":{"file":"mesh.yaml","line":7,"column":15,"owner":"network@example.com"},"source":"\tü: 90s","length":3}`},
		{Problem{Origin: mesh.Origin{File: "a.yaml"}, Message: "the file holds no document"},
			`{"file":"a.yaml","message":"the file holds no document"}`},
	} {
		got, err := json.Marshal(test.problem)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, string(got)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// A problem of the folder itself is in no file.
func TestRenderOfTheFolder(t *testing.T) {
	var b bytes.Buffer
	p := Problem{Origin: mesh.Origin{File: "."}, Message: "the folder holds no documents", Expected: "a file"}
	if err := Render(&b, Problems{p}, Style{}); err != nil {
		t.Fatal(err)
	}
	if want := "the folder holds no documents\n  expected: a file\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
