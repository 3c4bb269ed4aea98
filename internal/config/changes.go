package config

import (
	"reflect"
	"slices"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/persistent"
)

// Key names one document of a set. Its kind is that of the document's header.
type Key struct {
	Kind string
	Name string // "" for the Mesh, of which a set has one
}

// ServiceKey is the key of a Service.
func ServiceKey(name mesh.ServiceName) Key { return Key{"Service", string(name)} }

// ExternalKey is the key of an External.
func ExternalKey(name mesh.ServiceName) Key { return Key{"External", string(name)} }

// EdgeKey is the key of an Edge.
func EdgeKey(name mesh.EdgeName) Key { return Key{"Edge", string(name)} }

// AnyServiceKey is a key that changes whenever any Service does.
func AnyServiceKey() Key { return Key{Kind: "Service"} }

// MeshKey is the key of the Mesh.
func MeshKey() Key { return Key{Kind: "Mesh"} }

// ChangesSince returns the keys of the documents that were changed, added or removed between old and d, in no order. A
// document that moved to another line or file has changed. The cost does not depend on documents that both sets share.
func (d *Documents) ChangesSince(old *Documents) []Key {
	if d == old {
		return nil
	}
	var changed []Key
	if !sameDocument(d.Mesh, old.Mesh) {
		changed = append(changed, MeshKey())
	}
	changed = appendChanges(changed, old.Services, d.Services, ServiceKey)
	changed = appendChanges(changed, old.Externals, d.Externals, ExternalKey)
	return appendChanges(changed, old.Edges, d.Edges, EdgeKey)
}

func appendChanges[K comparable, D any](changed []Key, old, fresh persistent.Map[K, *D], key func(K) Key) []Key {
	for name := range fresh.Changes(old) {
		if !sameDocument(old.Get(name), fresh.Get(name)) {
			changed = append(changed, key(name))
		}
	}
	return changed
}

func sameDocument[D any](a, b *D) bool {
	return a == b || a != nil && b != nil && reflect.DeepEqual(a, b)
}

// AnyChanged reports whether one of the documents that keys name differs between old and d.
func (d *Documents) AnyChanged(keys []Key, old *Documents) bool {
	return d != old && slices.ContainsFunc(keys, func(key Key) bool { return !d.same(key, old) })
}

// same reports whether the document that key names is the same in both sets.
func (d *Documents) same(key Key, old *Documents) bool {
	switch key.Kind {
	case "Service":
		if key == AnyServiceKey() {
			return d.Services == old.Services
		}
		name := mesh.ServiceName(key.Name)
		return sameDocument(d.Services.Get(name), old.Services.Get(name))
	case "External":
		name := mesh.ServiceName(key.Name)
		return sameDocument(d.Externals.Get(name), old.Externals.Get(name))
	case "Edge":
		name := mesh.EdgeName(key.Name)
		return sameDocument(d.Edges.Get(name), old.Edges.Get(name))
	default:
		return sameDocument(d.Mesh, old.Mesh)
	}
}
