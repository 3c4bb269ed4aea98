package server

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sync"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// manifestVersions hashes the parts of manifests that agents follow. It hashes each manifest once, and not once for
// each agent.
type manifestVersions struct {
	mu    sync.Mutex
	of    *config.Snapshot
	known map[*config.Service]string // manifests of of
}

// version returns a text that changes with the ports and the health check of a service; "" if it has no manifest.
func (m *manifestVersions) version(documents *config.Snapshot, name mesh.ServiceName) string {
	if documents == nil {
		return ""
	}
	manifest := documents.Documents.Services.Get(name)
	if manifest == nil {
		return ""
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of != documents {
		m.forget(documents)
	}
	version, found := m.known[manifest]
	if !found {
		version = hashOf(manifest)
		m.known[manifest] = version
	}
	return version
}

// forget forgets the manifests that are not in documents.
func (m *manifestVersions) forget(documents *config.Snapshot) {
	if m.of == nil {
		m.of, m.known = documents, map[*config.Service]string{}
	}
	for name := range documents.Documents.Services.Changes(m.of.Documents.Services) {
		delete(m.known, m.of.Documents.Services.Get(name))
	}
	m.of = documents
}

func hashOf(manifest *config.Service) string {
	text, err := json.Marshal(struct {
		Ports  any
		Health any
	}{manifest.Ports, manifest.Health})
	if err != nil {
		return "" // a manifest is made of what JSON has
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// manifest returns the version of a service's manifest in the API, and a channel that closes when it may have
// changed.
func (s *server) manifest(name mesh.ServiceName) (string, <-chan struct{}) {
	accepted, changed := s.documents.Accepted()
	state := s.control.State()
	if state.Documents != accepted {
		changed = state.Stale() // it is published in a moment
	}
	return s.manifests.version(state.Documents, name), changed
}
