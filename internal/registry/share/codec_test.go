package share

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// described returns an instance with every field.
func described(t testing.TB) *registry.Instance {
	t.Helper()
	key, err := parseKey("users [2001:db8::7]:9211")
	if err != nil {
		t.Fatal(err)
	}
	incarnation, err := registry.ParseIncarnation("7-9f86d081")
	if err != nil {
		t.Fatal(err)
	}
	i := registry.Instance{
		Key: key, Ports: map[mesh.PortName]int{"admin": 9212}, Zone: "a", Tags: map[string]string{"build": "<4711>"}, Weight: 50,
		State: registry.Unhealthy, Reason: "GET /healthz answers 503", Lease: 120e9 + 1, Identity: "spiffe://mesh/users", Proxy: "sidecar/users/1",
		Incarnation: incarnation, Sequence: 3, Revival: 2,
	}
	return &i
}

// records are a record of each kind.
func records(t testing.TB) []registry.Record {
	i := described(t)
	ended := &registry.Instance{Key: i.Key, Incarnation: i.Incarnation, Sequence: i.Sequence, Revival: i.Revival}
	away := *i
	away.Network = "east"
	ordered := &registry.Instance{Key: away.Key, Reason: "new disk", Sequence: 3}
	return []registry.Record{
		{Instance: i}, {Instance: ended, Ended: registry.Lapsed}, {Instance: ended, Ended: registry.Departed}, {Instance: &away},
		{Instance: ordered, Order: true}, {Instance: &registry.Instance{Key: i.Key, Sequence: 4}, Order: true, Ended: registry.Lapsed},
	}
}

func TestRecordsAreEncoded(t *testing.T) {
	for _, want := range records(t) {
		entry, err := encode(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(entry)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b registry.Incarnation) bool { return a == b })); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestLargestInstance: what a registry accepts is what others take.
func TestLargestInstance(t *testing.T) {
	for _, character := range []string{"<", `"`, "\u00e9"} {
		of := func(size int) string { return strings.Repeat(character, size/len(character)) }
		i := described(t)
		i.Identity, i.Reason, i.Proxy = "spiffe://m/"+of(registry.MaxIdentity-11), of(registry.MaxReason), of(registry.MaxProxy)
		for n := range registry.MaxTags - 1 {
			i.Tags[fmt.Sprintf("%0*d", registry.MaxTagKey, n)] = of(registry.MaxTagValue)
		}
		if found := i.Problems(); len(found) > 0 {
			t.Fatalf("%q: %v", character, found)
		}
		entry, err := encode(registry.Record{Instance: i})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decode(entry); err != nil {
			t.Errorf("%q: %v", character, err)
		}
	}
}

// TestUnknownFieldsAreIgnored: a later release may describe more.
func TestUnknownFieldsAreIgnored(t *testing.T) {
	entry, err := encode(records(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	entry.Value = bytes.Replace(entry.Value, []byte(`{`), []byte(`{"colour":"green",`), 1)
	entry.Rank[registry.VersionSize]++ // its hash of the description is another one
	if _, err := decode(entry); err != nil {
		t.Error(err)
	}
}

func TestRefusedEntries(t *testing.T) {
	for name, spoil := range map[string]func(*Entry){
		"no JSON":                    func(e *Entry) { e.Value = e.Value[1:] },
		"another key's form":         func(e *Entry) { e.Key = "users [2001:db8:0::7]:9211" },
		"no address":                 func(e *Entry) { e.Key = "users" },
		"no service name":            func(e *Entry) { e.Key = "Users [2001:db8::7]:9211" },
		"a higher rank":              func(e *Entry) { e.Rank[0] = 1 },
		"an ending in the rank":      func(e *Entry) { e.Rank[12] = 1 },
		"a long key":                 func(e *Entry) { e.Key = strings.Repeat("a", MaxKey+1) },
		"a long value":               func(e *Entry) { e.Value = append(e.Value, bytes.Repeat([]byte(" "), MaxValue)...) },
		"an invalid instance":        func(e *Entry) { e.Value = bytes.Replace(e.Value, []byte(`"weight":50`), []byte(`"weight":1001`), 1) },
		"an unknown ending":          func(e *Entry) { e.Value = bytes.Replace(e.Value, []byte(`{`), []byte(`{"ended":"sold",`), 1) },
		"a weight that is no number": func(e *Entry) { e.Value = bytes.Replace(e.Value, []byte(`50`), []byte(`"50"`), 1) },
	} {
		entry, err := encode(records(t)[0])
		if err != nil {
			t.Fatal(err)
		}
		spoil(&entry)
		if r, err := decode(entry); err == nil {
			t.Errorf("%s: taken as %+v", name, r.Instance)
		}
	}
}

func TestRefusedOrders(t *testing.T) {
	for name, spoil := range map[string]func(*Entry){
		"no version":        func(e *Entry) { e.Value = []byte(`{"reason":"new disk"}`) },
		"another version":   func(e *Entry) { e.Value = []byte(`{"reason":"new disk","version":4}`) },
		"taken back":        func(e *Entry) { e.Value = []byte(`{"version":3,"takenBack":true}`) },
		"an unprintable":    func(e *Entry) { e.Value = []byte(`{"reason":"\u001b","version":3}`) },
		"the instance's":    func(e *Entry) { e.Key = strings.TrimPrefix(e.Key, orderPrefix) },
		"no network's name": func(e *Entry) { e.Key = strings.Replace(e.Key, " east ", " East ", 1) },
	} {
		entry, err := encode(records(t)[4])
		if err != nil {
			t.Fatal(err)
		}
		spoil(&entry)
		if r, err := decode(entry); err == nil {
			t.Errorf("%s: taken as %+v", name, r.Instance)
		}
	}
}

// FuzzDecode decodes anything. What is taken must be valid and must encode to an entry that says the same.
func FuzzDecode(f *testing.F) {
	for _, r := range records(f) {
		entry, err := encode(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(entry.Key, entry.Rank[:], entry.Value)
	}
	f.Fuzz(func(t *testing.T, key string, rank, value []byte) {
		entry := Entry{Key: key, Value: value}
		copy(entry.Rank[:], rank)
		first, err := decode(entry)
		if err != nil {
			return
		}
		if found := first.Instance.Problems(); first.Ended == registry.Present && !first.Order && len(found) > 0 {
			t.Errorf("taken with problems: %v", found)
		}
		again, err := encode(first)
		if err != nil {
			t.Fatal(err)
		}
		second, err := decode(again)
		if err != nil || second.Compare(first) != 0 || again.Key != key {
			t.Errorf("%+v became %+v, %v", first.Instance, second.Instance, err)
		}
	})
}

// FuzzRenewals decodes any entry of the log of renewals.
func FuzzRenewals(f *testing.F) {
	i := described(f)
	f.Add(encodeRenewals("a1", []registry.Renewal{{Key: i.Key, Incarnation: i.Incarnation}, {Key: i.Key}}))
	f.Add([]byte("a1\nusers\n\nusers 10.0.0.1:80 7\nusers 10.0.0.1:80 7-00000000 x"))
	f.Fuzz(func(t *testing.T, entry []byte) {
		server, renewals := decodeRenewals(entry)
		if strings.Contains(server, "\n") || len(renewals) > len(entry) {
			t.Errorf("server %q with %d renewals", server, len(renewals))
		}
	})
}

func TestRenewalsAreEncoded(t *testing.T) {
	i := described(t)
	var want []registry.Renewal
	away := i.Key
	away.Network = "east"
	want = append(want, registry.Renewal{Key: away, Incarnation: i.Incarnation})
	for range renewalsPerEntry - 1 {
		want = append(want, registry.Renewal{Key: i.Key, Incarnation: i.Incarnation})
	}
	text := encodeRenewals("a1", want)
	server, got := decodeRenewals(text)
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b registry.Renewal) bool { return a == b })); server != "a1" || diff != "" {
		t.Errorf("server %q (-want +got):\n%s", server, diff)
	}
}
