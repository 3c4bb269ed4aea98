package share

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// value is the JSON form of a record. Servers of different releases share an engine: a field that one of
// them does not know is ignored.
type value struct {
	Ports    map[mesh.PortName]int `json:"ports,omitempty"`
	Zone     mesh.ZoneName         `json:"zone,omitempty"`
	Tags     map[string]string     `json:"tags,omitempty"`
	Weight   uint32                `json:"weight,omitempty"`
	State    registry.State        `json:"state,omitempty"`
	Reason   string                `json:"reason,omitempty"`
	Lease    time.Duration         `json:"lease,omitempty"` // ns
	Identity string                `json:"identity,omitempty"`
	Proxy    string                `json:"proxy,omitempty"`

	Incarnation registry.Incarnation `json:"incarnation"`
	Sequence    uint64               `json:"sequence,omitempty"`
	Revival     uint64               `json:"revival,omitempty"`
	Ended       string               `json:"ended,omitempty"`
}

// endings are the words for how an instance ended.
var endings = [...]string{registry.Present: "", registry.Lapsed: "lapsed", registry.Departed: "departed"}

// keyOf names an instance in an engine: "users 10.0.0.7:9211", or "users east 10.0.0.7:9211" in the network east.
func keyOf(k registry.Key) string {
	if k.Network == "" {
		return string(k.Service) + " " + k.Address.String()
	}
	return string(k.Service) + " " + string(k.Network) + " " + k.Address.String()
}

// entryKey is the key of a record's entry.
func entryKey(r registry.Record) string {
	if r.Order {
		return orderPrefix + keyOf(r.Instance.Key)
	}
	return keyOf(r.Instance.Key)
}

// encode returns a record as an entry.
func encode(r registry.Record) (Entry, error) {
	i := r.Instance
	var content any = value{
		i.Ports, i.Zone, i.Tags, i.Weight, i.State, i.Reason, i.Lease, i.Identity, i.Proxy,
		i.Incarnation, i.Sequence, i.Revival, endings[r.Ended],
	}
	if r.Order {
		content = order{i.Reason, i.Sequence, r.Ended != registry.Present}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // six bytes for one would make valid instances exceed MaxValue
	err := encoder.Encode(content)
	return Entry{entryKey(r), r.Rank(), bytes.TrimSuffix(text.Bytes(), []byte("\n"))}, err
}

// errGarbage is wrapped by the errors of decode for entries that no release writes. What else is refused may be from a
// later release.
var errGarbage = errors.New("no server wrote it")

func garbage(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errGarbage, fmt.Errorf(format, args...))
}

// decode reads what encode writes, and returns an error for anything that a registry must not be given.
func decode(e Entry) (registry.Record, error) {
	if len(e.Key) > MaxKey || len(e.Value) > MaxValue {
		return registry.Record{}, garbage("entry with a key of %d bytes and a value of %d: want at most %d and %d", len(e.Key), len(e.Value), MaxKey, MaxValue)
	}
	instance, isOrder := strings.CutPrefix(e.Key, orderPrefix)
	key, err := parseKey(instance)
	if err != nil {
		return registry.Record{}, garbage("%w", err)
	}
	if isOrder {
		return decodeOrder(key, e)
	}
	var v value
	if err := json.Unmarshal(e.Value, &v); err != nil {
		return registry.Record{}, garbage("entry %q: %w", e.Key, err)
	}
	i := &registry.Instance{
		Key: key, Ports: v.Ports, Zone: v.Zone, Tags: v.Tags, Weight: v.Weight, State: v.State, Reason: v.Reason,
		Lease: v.Lease, Identity: v.Identity, Proxy: v.Proxy,
		Incarnation: v.Incarnation, Sequence: v.Sequence, Revival: v.Revival,
	}
	record := registry.Record{Instance: i}
	for ending, word := range endings {
		if v.Ended == word {
			record.Ended = registry.Ending(ending)
		}
	}
	switch {
	case i.Incarnation.IsZero():
		return registry.Record{}, garbage("entry %q has no incarnation", e.Key)
	case max(i.Sequence, i.Revival) > registry.MaxSequence:
		return registry.Record{}, garbage("entry %q: sequence %d or revival %d is above %d", e.Key, i.Sequence, i.Revival, uint64(registry.MaxSequence))
	case endings[record.Ended] != v.Ended:
		return registry.Record{}, fmt.Errorf("entry %q: ended is %.20q: want lapsed or departed", e.Key, v.Ended)
	case !sameVersion(record.VersionRank(), e.Rank):
		return registry.Record{}, garbage("entry %q has a rank that is not its value's", e.Key)
	}
	return valid(e, record)
}

// valid returns the record of e, or what is wrong with it.
func valid(e Entry, record registry.Record) (registry.Record, error) {
	if found := record.Problems(); len(found) > 0 {
		return registry.Record{}, fmt.Errorf("entry %q: %w", e.Key, registry.Invalid(found))
	}
	return record, nil
}

// sameVersion compares ranks without the hash of the description: a later release may describe more.
func sameVersion(a, b registry.Rank) bool {
	return bytes.Equal(a[:registry.VersionSize], b[:registry.VersionSize])
}

// laterVersion reports whether a is of a later version than b, whatever the descriptions.
func laterVersion(a, b registry.Rank) bool {
	return bytes.Compare(a[:registry.VersionSize], b[:registry.VersionSize]) > 0
}

func lowerRank(a, b registry.Rank) bool { return bytes.Compare(a[:], b[:]) < 0 }

func parseKey(text string) (registry.Key, error) {
	service, rest, _ := strings.Cut(text, " ")
	network, address, found := strings.Cut(rest, " ")
	if !found {
		network, address = "", rest
	}
	name, err := mesh.ParseServiceName(service)
	in, err2 := mesh.ParseNetworkName(network)
	at, err3 := netip.ParseAddrPort(address)
	key := registry.Key{Service: name, Network: in, Address: at}
	if err := errors.Join(err, err2, err3); err != nil {
		return registry.Key{}, fmt.Errorf("entry %q: %w", text, err)
	}
	if keyOf(key) != text {
		return registry.Key{}, fmt.Errorf("entry %q: want it written as %q", text, keyOf(key))
	}
	return key, nil
}

// shardOf is the shard of an instance's records.
func shardOf(k registry.Key) int { return registry.Shard(k.Service, Shards) }

// encodeRenewals returns an entry for the log of renewals: the server's name, and a line for each instance.
func encodeRenewals(server string, renewals []registry.Renewal) []byte {
	var text strings.Builder
	text.WriteString(server)
	for _, r := range renewals {
		fmt.Fprintf(&text, "\n%s %v", keyOf(r.Key), r.Incarnation)
	}
	return []byte(text.String())
}

// decodeRenewals reads what encodeRenewals writes. Lines that are none are left out.
func decodeRenewals(entry []byte) (server string, renewals []registry.Renewal) {
	if len(entry) > MaxRenewal {
		return "", nil
	}
	server, rest, _ := strings.Cut(string(entry), "\n")
	for line := range strings.Lines(rest) {
		line = strings.TrimSuffix(line, "\n")
		at := strings.LastIndexByte(line, ' ')
		if at < 0 {
			continue
		}
		key, err := parseKey(line[:at])
		incarnation, err2 := registry.ParseIncarnation(line[at+1:])
		if err == nil && err2 == nil {
			renewals = append(renewals, registry.Renewal{Key: key, Incarnation: incarnation})
		}
	}
	return server, renewals
}
