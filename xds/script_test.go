package xds

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the scripts' expected output")

// TestScripts plays conversations with the protocol core. A script's lines are commands;
// lines that begin with "->" are what the core says after the command above them. The
// commands are documented in testdata/script/README.md.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(string(text), got); diff != "" {
				t.Errorf("conversation differs (-want +got):\n%s", diff)
			}
		})
	}
}

// theatre is where a script is played.
type theatre struct {
	t       *testing.T
	now     time.Time
	rules   *rules
	cache   *SnapshotCache
	linear  map[string]*LinearCache
	draft   map[string]map[Ref]*Resource // by view, not published yet
	groups  map[string]*group
	streams map[string]*actor
	demand  bool // whoever is asked on demand promises an answer
	recover bool // linear caches recover
	out     []string
}

// actor is one stream and its client's side.
type actor struct {
	name    string
	session *session
	nonces  map[string]string // latest, by type
	names   map[string][]string
	stopped bool
}

func (a *actor) wake()              {}
func (a *actor) rejected(Rejection) {}

// play returns the script with the lines that the core says.
func play(t *testing.T, text string) string {
	s := &theatre{
		t: t, now: time.Unix(0, 0), rules: &rules{orderTimeout: defaultOrderTimeout, removalGrace: defaultRemovalGrace},
		linear: map[string]*LinearCache{}, draft: map[string]map[Ref]*Resource{}, groups: map[string]*group{}, streams: map[string]*actor{},
	}
	s.cache = NewSnapshotCache(SnapshotCacheOptions{OnDemand: func(view string, ref Ref) bool {
		return s.demanded(fmt.Sprintf("%s: %s %s", view, scriptTypeName(ref.Type), ref.Name))
	}})
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "->") {
			continue
		}
		lines = append(lines, line)
		if line != "" && !strings.HasPrefix(line, "#") {
			s.out = nil
			s.do(strings.Fields(line))
			s.pump()
			lines = append(lines, s.out...)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

func (s *theatre) do(words []string) {
	s.t.Helper()
	switch command, args := words[0], words[1:]; command {
	case "option":
		s.option(args)
	case "put", "delete":
		s.edit(command, args)
	case "publish":
		s.publish(args)
	case "notfound":
		of, args := view(args)
		for _, name := range args[1:] {
			s.cache.NotFound(of, Ref{scriptType(args[0]), name})
		}
	case "recovered":
		s.linear[scriptType(args[0])].Recovered()
	case "linear":
		s.editLinear(args)
	case "stream":
		s.open(args)
	case "advance":
		d, err := time.ParseDuration(args[0])
		if err != nil {
			s.t.Fatal(err)
		}
		s.now = s.now.Add(d)
	default:
		a := s.streams[command]
		if a == nil {
			s.t.Fatalf("unknown command %q", command)
		}
		s.act(a, args)
	}
}

func (s *theatre) option(args []string) {
	switch args[0] {
	case "isolate":
		s.rules.isolate = true
	case "push-hosts":
		s.rules.pushHosts = true
	case "errors":
		s.rules.errors = true
	case "demand":
		s.demand = true
	case "recover":
		s.recover = true
	default:
		s.t.Fatalf("unknown option %q", args[0])
	}
}

var scriptTypes = map[string]string{
	"cluster": ClusterType, "endpoint": EndpointType, "listener": ListenerType, "route": RouteType,
	"scope": ScopedRouteType, "vhost": VirtualHostType, "secret": SecretType, "runtime": RuntimeType, "extension": ExtensionConfigType,
}

func scriptType(name string) string {
	if typeURL, ok := scriptTypes[name]; ok {
		return typeURL
	}
	return typePrefix + name
}

func scriptTypeName(typeURL string) string {
	for name, known := range scriptTypes {
		if known == typeURL {
			return name
		}
	}
	return strings.TrimPrefix(typeURL, typePrefix)
}

// scriptResource reads name=body, with >type/name for each reference, ~5s for a TTL and @alias.
func (s *theatre) scriptResource(typeURL, text string) *Resource {
	at := strings.LastIndex(text, "=")
	name, rest := text[:at], text[at+1:]
	var o ResourceOptions
	parts := strings.FieldsFunc(rest, func(r rune) bool { return strings.ContainsRune(">~@", r) })
	for _, part := range parts[1:] {
		switch rest[strings.Index(rest, part)-1] {
		case '>':
			kind, to, _ := strings.Cut(part, "/")
			o.References = append(o.References, Ref{scriptType(kind), to})
		case '~':
			o.TTL, _ = time.ParseDuration(part)
		case '@':
			o.Aliases = append(o.Aliases, part)
		}
	}
	return NewResource(typeURL, name, []byte(parts[0]), o)
}

// view takes "view:" off the arguments; without it the view is n.
func view(args []string) (string, []string) {
	if len(args) > 0 && strings.HasSuffix(args[0], ":") {
		return strings.TrimSuffix(args[0], ":"), args[1:]
	}
	return "n", args
}

func (s *theatre) edit(command string, args []string) {
	of, args := view(args)
	if s.draft[of] == nil {
		s.draft[of] = map[Ref]*Resource{}
	}
	typeURL := scriptType(args[0])
	for _, text := range args[1:] {
		if command == "delete" {
			delete(s.draft[of], Ref{typeURL, text})
			continue
		}
		r := s.scriptResource(typeURL, text)
		s.draft[of][Ref{typeURL, r.Name()}] = r
	}
}

// demanded is what a cache's OnDemand answers.
func (s *theatre) demanded(what string) bool {
	if s.demand {
		s.out = append(s.out, "-> wanted "+what)
	}
	return s.demand
}

func (s *theatre) publish(args []string) {
	of, _ := view(args)
	var all []*Resource
	for _, r := range s.draft[of] {
		all = append(all, r)
	}
	s.cache.Publish(of, NewSnapshot(all...))
}

func (s *theatre) editLinear(args []string) {
	typeURL := scriptType(args[0])
	if s.linear[typeURL] == nil {
		s.linear[typeURL] = NewLinearCacheWith(typeURL, LinearCacheOptions{Recovering: s.recover, OnDemand: func(name string) bool {
			return s.demanded(scriptTypeName(typeURL) + " " + name)
		}})
	}
	for _, text := range args[1:] {
		if name, ok := strings.CutPrefix(text, "-"); ok {
			s.linear[typeURL].Delete(name)
		} else {
			s.linear[typeURL].Put(s.scriptResource(typeURL, text))
		}
	}
}

// open is: stream NAME sotw|delta [node=N] [feature...].
func (s *theatre) open(args []string) {
	node := "n"
	var features []string
	for _, arg := range args[2:] {
		if id, ok := strings.CutPrefix(arg, "node="); ok {
			node = id
		} else {
			features = append(features, arg)
		}
	}
	if s.groups[node] == nil {
		s.groups[node] = &group{}
	}
	types := map[string]Source{}
	for typeURL, c := range s.linear {
		types[typeURL] = c
	}
	a := &actor{name: args[0], nonces: map[string]string{}, names: map[string][]string{}}
	delta := args[1] == "delta"
	a.session = &session{
		delta: delta, ttl: takesTTL(features, delta), node: &Node{ID: node}, waker: a, rules: s.rules, group: s.groups[node],
		source: NewMux(MuxOptions{Types: types, Default: s.cache}),
	}
	s.groups[node].sessions = append(s.groups[node].sessions, a.session)
	s.streams[a.name] = a
}

// act is what a client does: see testdata/script/README.md.
func (s *theatre) act(a *actor, args []string) {
	if args[0] == "close" {
		a.session.close()
		a.session.group.remove(s.now, a.session)
		a.stopped = true
		return
	}
	typeURL := scriptType(args[1])
	r := &request{typeURL: typeURL, delta: a.session.delta}
	rest := args[2:]
	switch args[0] {
	case "ask": // state-of-the-world
		a.names[typeURL] = rest
		r.names, r.nonce = rest, a.nonces[typeURL]
	case "ask-version":
		r.version, r.names = rest[0], rest[1:]
		a.names[typeURL] = r.names
	case "stale":
		r.names, r.nonce = rest, "stale"
	case "ack":
		r.nonce, r.names = a.nonces[typeURL], a.names[typeURL]
	case "nack":
		r.nonce, r.names, r.nack, r.message = a.nonces[typeURL], a.names[typeURL], true, strings.Join(rest, " ")
	case "subscribe": // delta; names, -names, and name@version for what is known
		for _, word := range rest {
			name, version, known := strings.Cut(word, "@")
			switch {
			case strings.HasPrefix(word, "-"):
				r.drop = append(r.drop, word[1:])
			case known:
				if r.initial == nil {
					r.initial = map[string]string{}
				}
				r.initial[name] = s.version(typeURL, name, version)
			default:
				r.names = append(r.names, name)
			}
		}
	case "status":
		s.status(a, typeURL)
		return
	default:
		s.t.Fatalf("unknown action %q", args[0])
	}
	a.session.group.load()
	if err := a.session.receive(s.now, r); err != nil {
		s.say("%s ends: %v", a.name, err)
	}
}

// version is that of the resource with the given body.
func (s *theatre) version(typeURL, name, body string) string {
	return s.scriptResource(typeURL, name+"="+body).Version()
}
