package diskstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// record is one change as the file holds it. Another field is another format. Format 1 has no
// incarnation and no sequence, format 2 no network, no order and no departed.
type record struct {
	Service  mesh.ServiceName      `json:"service"`
	Network  mesh.NetworkName      `json:"network,omitempty"`
	Address  netip.AddrPort        `json:"address"`
	Gone     bool                  `json:"gone,omitempty"`
	Departed registry.Incarnation  `json:"departed,omitzero"` // of one that is gone
	Ports    map[mesh.PortName]int `json:"ports,omitempty"`
	Zone     mesh.ZoneName         `json:"zone,omitempty"`
	Tags     map[string]string     `json:"tags,omitempty"`
	Weight   uint32                `json:"weight,omitempty"`
	State    registry.State        `json:"state,omitempty"`
	Reason   string                `json:"reason,omitempty"`
	Lease    time.Duration         `json:"lease,omitempty"` // ns
	Identity string                `json:"identity,omitempty"`
	Proxy    string                `json:"proxy,omitempty"`

	Incarnation registry.Incarnation `json:"incarnation,omitzero"`
	Sequence    uint64               `json:"sequence,omitempty"`

	Order *order `json:"maintenance,omitempty"`
}

// order is an operator's order about the instance, also when it is gone.
type order struct {
	On      bool   `json:"on,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Version uint64 `json:"version"`
}

func recordOf(c registry.Change) record {
	var o *order
	if c.Order != (registry.Order{}) {
		o = &order{c.Order.On, c.Order.Reason, c.Order.Version}
	}
	i := c.Instance
	if i == nil {
		return record{Service: c.Service, Network: c.Network, Address: c.Address, Gone: true, Departed: c.Departed, Order: o}
	}
	return record{
		Service: c.Service, Network: c.Network, Address: c.Address, Ports: i.Ports, Zone: i.Zone, Tags: i.Tags, Weight: i.Weight, State: i.State, Reason: i.Reason,
		Lease: i.Lease, Identity: i.Identity, Proxy: i.Proxy, Incarnation: i.Incarnation, Sequence: i.Sequence, Order: o,
	}
}

func (r record) change() registry.Change {
	key := registry.Key{Service: r.Service, Network: r.Network, Address: r.Address}
	var o registry.Order
	if r.Order != nil {
		o = registry.Order{On: r.Order.On, Reason: r.Order.Reason, Version: r.Order.Version}
	}
	if r.Gone {
		return registry.Change{Key: key, Departed: r.Departed, Order: o}
	}
	return registry.Change{Key: key, Order: o, Instance: &registry.Instance{
		Key: key, Ports: r.Ports, Zone: r.Zone, Tags: r.Tags, Weight: r.Weight, State: r.State, Reason: r.Reason, Lease: r.Lease, Identity: r.Identity, Proxy: r.Proxy,
		Incarnation: r.Incarnation, Sequence: r.Sequence,
	}}
}

// encode returns changes as the content of a frame.
func encode(changes []registry.Change) ([]byte, error) {
	records := make([]record, 0, len(changes))
	for _, c := range changes {
		records = append(records, recordOf(c))
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(records); err != nil {
		return nil, err
	}
	if text.Len() > maxFrame {
		return nil, fmt.Errorf("%d changes have %d bytes, more than a frame holds", len(changes), text.Len())
	}
	return text.Bytes(), nil
}

// decode reads the content of a frame.
func decode(content []byte) ([]registry.Change, error) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	var records []record
	if err := decoder.Decode(&records); err != nil {
		return nil, err
	}
	changes := make([]registry.Change, 0, len(records))
	for _, r := range records {
		changes = append(changes, r.change())
	}
	return changes, nil
}
