package server

import (
	"os"
	"path/filepath"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/registry/sources"
)

// openSources makes what lists instances that do not check in.
func (s *server) openSources() error {
	var all []sources.Source
	if s.Instances != "" {
		folder := filepath.Join(s.Data, "sources")
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
		file, err := sources.OpenFile(s.Instances, filepath.Join(folder, "instances.yaml"), s.Log)
		if err != nil {
			return err
		}
		s.listed = file
		var servers []string
		if s.Resolver != "" {
			servers = []string{s.Resolver}
		}
		all = []sources.Source{file, sources.NewDNS(file, sources.NewResolver(servers...), filepath.Join(folder, "dns.json"), s.Log)}
	}
	s.sources = sources.NewRunner(s.registry, s.Log, all...)
	return nil
}

// instancesFile is the state of the file that lists instances; nil when there is none.
func (s *server) instancesFile() *api.InstancesFile {
	if s.listed == nil {
		return nil
	}
	status := &api.InstancesFile{Path: s.Instances}
	if r := s.listed.Refused(); r != nil {
		status.Problem, status.Since = r.Reason, r.Since.UTC()
	}
	return status
}
