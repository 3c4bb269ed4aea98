package share

import (
	"encoding/json"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// orderPrefix begins the keys of operators' orders. No name of a service begins like it, so releases that know of no
// orders refuse such entries, and leave them as they are.
const orderPrefix = "maintenance:"

// order is the JSON form of the record of an operator's order.
type order struct {
	Reason    string `json:"reason,omitempty"`
	Version   uint64 `json:"version"`
	TakenBack bool   `json:"takenBack,omitempty"`
}

// decodeOrder reads what encode writes of an order about the instance that key names.
func decodeOrder(key registry.Key, e Entry) (registry.Record, error) {
	var o order
	if err := json.Unmarshal(e.Value, &o); err != nil {
		return registry.Record{}, garbage("entry %q: %w", e.Key, err)
	}
	record := registry.Record{Instance: &registry.Instance{Key: key, Reason: o.Reason, Sequence: o.Version}, Order: true}
	if o.TakenBack {
		record.Ended = registry.Lapsed
	}
	switch {
	case o.Version == 0:
		return registry.Record{}, garbage("entry %q has no version", e.Key)
	case o.Version > registry.MaxSequence:
		return registry.Record{}, garbage("entry %q: version %d is above %d", e.Key, o.Version, uint64(registry.MaxSequence))
	case !sameVersion(record.VersionRank(), e.Rank):
		return registry.Record{}, garbage("entry %q has a rank that is not its value's", e.Key)
	}
	return valid(e, record)
}
