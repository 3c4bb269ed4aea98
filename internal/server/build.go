package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/doyen-mesh/doyen/internal/admin"
	"github.com/doyen-mesh/doyen/internal/config/source"
	"github.com/doyen-mesh/doyen/internal/control"
	"github.com/doyen-mesh/doyen/internal/datafolder"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/api"
	"github.com/doyen-mesh/doyen/internal/registry/discovery"
	"github.com/doyen-mesh/doyen/internal/registry/diskstore"
	"github.com/doyen-mesh/doyen/internal/report"
	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/csds"
	"github.com/doyen-mesh/doyen/xds/xdsmetrics"
)

// build creates every part and starts none.
func build(ctx context.Context, o Options) (*server, error) {
	o.GRPC, o.HTTP = cmp.Or(o.GRPC, DefaultGRPC), cmp.Or(o.HTTP, DefaultHTTP)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{Options: o}
	if err := s.build(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *server) build(ctx context.Context) error {
	lock, err := datafolder.Lock(s.Data, fmt.Sprintf("a doyen server for the documents in %s", s.Config))
	if err != nil {
		return err
	}
	s.closers = append(s.closers, lock.Close)
	if err := s.checkPorts(ctx); err != nil {
		return err
	}
	store, err := diskstore.Open(filepath.Join(s.Data, "registry"), s.Log)
	if err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	s.closers = append(s.closers, store.Close)
	if s.registry, err = registry.New(ctx, registry.Options{Store: store, Shared: s.Store != nil, Log: s.Log}); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	if err := s.openStore(ctx); err != nil {
		return err
	}
	if err := s.openSources(); err != nil {
		return err
	}
	if err := s.openDocuments(); err != nil {
		return err
	}
	reports := report.NewCollector()
	s.control = control.New(control.Inputs{Documents: control.Everywhere(s.documents), Instances: s.registry, Reports: reports, Shared: s.Store != nil}, s.Log)
	s.metrics = xdsmetrics.New()
	s.xds = xds.NewServer(s.control.Source(), xds.ServerOptions{
		Identifier:      "doyen " + s.Version,
		Logger:          s.Log,
		Callbacks:       s.metrics.Callbacks(reports.Callbacks(s.control.Callbacks())),
		IsolateRejected: true,
		// Edges get their virtual hosts by VHDS. The envoy package gives them the names that this requires.
		PushVirtualHosts: true,
		// These limits are far above what a fleet behind one address, or an edge with 50,000 routes, needs.
		MaxStreamsPerPeer: 50_000,
		MaxSubscriptions:  200_000,
	})
	s.grpc = grpc.NewServer(xds.GRPCOptions()...)
	s.xds.Register(s.grpc)
	csds.Register(s.grpc, s.xds)
	healthv1.RegisterHealthServer(s.grpc, health.NewServer())
	s.http = &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	s.discovery = &http.Server{
		Handler:     discovery.Handler(discovery.Options{Registry: s.registry, Hosts: s.Hosts}),
		ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
	}
	return nil
}

// openDocuments returns an error if there is nothing to serve.
func (s *server) openDocuments() (err error) {
	accepted := filepath.Join(s.Data, "documents")
	s.documents, err = source.Open(source.Options{
		Folder: s.Config, State: accepted, Log: s.Log,
		Instances: func(name mesh.ServiceName) int { return len(s.registry.Snapshot().Instances(name)) },
	})
	if err != nil {
		return err
	}
	switch now := s.documents.State(); {
	case now.Snapshot == nil && now.Held != nil:
		return fmt.Errorf("config folder %q: %s, and the documents accepted before, in %s, are of no use to this release: restore what is missing, or remove that folder to take this one as it is",
			s.Config, now.Held.Reason, accepted)
	case now.Snapshot == nil:
		return &InvalidError{Folder: s.Config, Problems: now.Problems}
	}
	return nil
}

func (s *server) handler() http.Handler {
	return admin.Handler(admin.Options{
		Version: s.Version, Started: time.Now(), Hosts: s.Hosts, Profiles: s.Profiles,
		Documents: s.documents, Registry: s.registry, Control: s.control, XDS: s.xds,
		Metrics: s.metricsPage(), Store: s.storeStatus, Listed: s.instancesFile,
		Instances: api.Handler(api.Options{
			Registry:  s.registry,
			Known:     s.known,
			Unreached: s.unreached,
			Manifest:  s.manifest,
			ProxyGone: func(i *registry.Instance) time.Time { return s.control.ProxyGone(i).UTC() },
			Settled:   s.settled,
		}),
	})
}

// known reports whether a service has a manifest.
func (s *server) known(name mesh.ServiceName) bool {
	documents := s.control.State().Documents
	return documents != nil && documents.Documents.Services.Get(name) != nil
}

// unreached returns which callers cannot reach an instance because of its network, and why.
func (s *server) unreached(key registry.Key) string {
	documents := s.control.State().Documents
	if documents == nil {
		return ""
	}
	docs := &documents.Documents
	if key.Network != "" && docs.Mesh.Network(key.Network) == nil {
		return fmt.Sprintf("the Mesh does not list network %q: nobody can call the instance until it does", key.Network)
	}
	if service := docs.Services.Get(key.Service); service != nil && len(docs.Mesh.Networks) > 0 {
		if port, ok := service.LookupPort(""); ok && port.Protocol == mesh.TCP {
			return fmt.Sprintf("%s speaks tcp, which gateways cannot route: only callers in the same network reach the instance", key.Service)
		}
	}
	return ""
}

// settled waits until the proxies of all callers of the service have acknowledged its current instances.
func (s *server) settled(ctx context.Context, name mesh.ServiceName) error {
	names, err := s.control.Published(ctx, name)
	if err != nil {
		return err
	}
	for _, assignment := range names {
		if err := s.xds.WaitAcknowledged(ctx, xds.Ref{Type: xds.EndpointType, Name: assignment}); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) close() error {
	var all error
	for _, c := range slices.Backward(s.closers) {
		all = errors.Join(all, c())
	}
	return all
}
