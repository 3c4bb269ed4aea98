package e2e

import (
	"bufio"
	"fmt"
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

// TestGettingStarted runs the commands of the tutorial.
func TestGettingStarted(t *testing.T) { testPage(t, "getting-started.md", 15) }

// TestTroubleshooting runs the commands of the troubleshooting page.
func TestTroubleshooting(t *testing.T) { testPage(t, "troubleshooting.md", 30) }

// testPage runs every command of a page in docs/, at least a given number, in order and in one shell, and compares
// the output with that on the page. Numbers may differ, and "..." stands for anything.
func testPage(t *testing.T, name string, least int) {
	t.Helper()
	page, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	commands := consoleBlocks(string(page))
	if len(commands) < least || commands[0].text != "make demo DIR=mesh" {
		t.Fatalf("the page has %d commands, the first %q: the test does not understand it", len(commands), commands[0].text)
	}
	dir := t.TempDir()
	demo := start(t, "demo", nil, doyen, "demo", "--dir", filepath.Join(dir, "mesh"))
	eventually(t, "the demo runs", func() string {
		if !strings.Contains(demo.output.String(), "in sync;") {
			return "so far it says: " + demo.output.Tail(500)
		}
		return ""
	})
	said := demo.output.String()
	here := localPage(t, said)
	if missing := commands[0].missing(here, said); missing != "" {
		t.Errorf("the demo does not say %q but\n%s", missing, said)
	}
	sh := newShell(t, dir)
	for _, c := range commands[1:] {
		deadline := time.Now().Add(patience)
		for {
			output := sh.run(t, here(c.text))
			missing := c.missing(here, output)
			if missing == "" {
				break
			}
			if !c.mayBeRepeated() || time.Now().After(deadline) {
				t.Fatalf("$ %s\nprinted\n%s\nwithout the page's line %q\n%s", c.text, output, missing, logsIn(dir))
			}
		}
	}
	demo.terminate()
	if code := demo.wait(t); code != 0 {
		t.Errorf("the demo ended with status %d", code)
	}
}

// logsIn returns the output of the programs that the page starts in the background.
func logsIn(dir string) string {
	var all strings.Builder
	files, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			text = []byte(err.Error())
		}
		fmt.Fprintf(&all, "%s:\n%s\n", filepath.Base(file), text)
	}
	return all.String()
}

// localPage returns a function that replaces the page's ports with free ones.
func localPage(t *testing.T, said string) func(string) string {
	t.Helper()
	edge := regexp.MustCompile(`localhost:\d+`).FindString(said[strings.Index(said, "what is where"):])
	server := regexp.MustCompile(`server +http://(\S+)`).FindStringSubmatch(said)
	if edge == "" || server == nil {
		t.Fatalf("the demo does not say where it is:\n%s", said)
	}
	t.Setenv("DOYEN_SERVER", "http://"+server[1])
	if xds := regexp.MustCompile(`DOYEN_XDS=([^,\s]+)`).FindStringSubmatch(said); xds != nil {
		t.Setenv("DOYEN_XDS", xds[1])
	}
	own := machine.FreePorts(t, 2)
	return strings.NewReplacer("localhost:8000", edge, "127.0.0.1:18001", server[1], "9090", strconv.Itoa(own[0]), "27395", strconv.Itoa(own[1])).Replace
}

// command is one command of a page with the output that the page shows.
type command struct {
	text  string
	lines []string
}

// consoleBlocks returns the commands in a page's console blocks. A command with a here document ends at its end.
func consoleBlocks(page string) []command {
	var all []command
	inBlock, until := false, ""
	for line := range strings.Lines(page) {
		line = strings.TrimSuffix(line, "\n")
		last := len(all) - 1
		switch {
		case strings.HasPrefix(line, "```"):
			inBlock = line == "```console"
		case !inBlock:
		case until != "":
			all[last].text += "\n" + line
			if line == until {
				until = ""
			}
		case strings.HasPrefix(line, "$ "):
			all = append(all, command{text: strings.TrimPrefix(line, "$ ")})
			if _, end, ok := strings.Cut(line, "<<'"); ok {
				until = strings.TrimSuffix(end, "'")
			}
		default:
			all[last].lines = append(all[last].lines, line)
		}
	}
	return all
}

// mayBeRepeated returns true for commands that change nothing, which can be repeated until they show the expected
// output.
func (c command) mayBeRepeated() bool {
	for _, looks := range []string{"curl", "doyen status", "doyen services", "doyen instances"} {
		if strings.HasPrefix(c.text, looks) {
			return true
		}
	}
	return false
}

// missing returns the first line of the page that the output does not have; "" if it has all.
func (c command) missing(here func(string) string, output string) string {
	for _, want := range c.lines {
		if want == "..." || want == "" {
			continue
		}
		if !lineLike(here(want)).MatchString(output) {
			return want
		}
	}
	return ""
}

var (
	numbers = regexp.MustCompile(`\d+`)
	spaces  = regexp.MustCompile(` +`)
)

// lineLike returns a pattern for lines like want: with other numbers and spacing of columns, and anything for "...".
func lineLike(want string) *regexp.Regexp {
	quoted := regexp.QuoteMeta(want)
	quoted = strings.ReplaceAll(quoted, `\.\.\.`, `.*`)
	quoted = numbers.ReplaceAllString(quoted, `\d+`)
	quoted = spaces.ReplaceAllString(quoted, ` +`)
	return regexp.MustCompile(`(?m)^` + quoted + ` *$`)
}

// shell is a bash that keeps its variables and jobs from one command to the next.
type shell struct {
	in  *os.File
	out *bufio.Reader
}

func newShell(t *testing.T, dir string) *shell {
	t.Helper()
	readIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, writeOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	bash := exec.Command("bash", "--norc")
	bash.Dir, bash.Stdin, bash.Stdout, bash.Stderr = dir, readIn, writeOut, writeOut
	bash.Env = append(os.Environ(), "DOYEN_ENVOY="+machine.Envoy(t), "PATH="+filepath.Dir(doyen)+":"+os.Getenv("PATH"))
	if err := bash.Start(); err != nil {
		t.Fatal(err)
	}
	readIn.Close()
	writeOut.Close()
	t.Cleanup(func() {
		fmt.Fprintln(in, "kill $(jobs -p) 2>/dev/null; wait")
		in.Close()
		_ = bash.Wait()
		out.Close()
	})
	return &shell{in, bufio.NewReader(out)}
}

// run runs a command in the shell and returns what it prints.
func (s *shell) run(t *testing.T, command string) string {
	t.Helper()
	const end = "--end of output--"
	fmt.Fprintf(s.in, "%s\necho; echo '%s'\n", command, end)
	var output strings.Builder
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			t.Fatalf("$ %s\nended the shell: %s", command, output.String())
		}
		if strings.TrimSuffix(line, "\n") == end {
			return output.String()
		}
		output.WriteString(line)
	}
}
