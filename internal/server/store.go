package server

import (
	"context"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/registry/share"
)

// openStore makes what shares instances with other servers.
func (s *server) openStore(ctx context.Context) error {
	if s.Store == nil {
		return nil
	}
	engine, err := s.Store.Open(ctx)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, engine.Close)
	s.sharer = share.New(s.registry, engine, s.Log.With("store", s.Store.Address))
	return nil
}

// storeStatus is how sharing goes; nil when instances are not shared.
func (s *server) storeStatus() *api.Store {
	if s.sharer == nil {
		return nil
	}
	now := s.sharer.Status()
	status := &api.Store{
		Address: s.Store.Address, Connected: now.Connected, Since: now.Since.UTC(), Unwritten: now.Unwritten,
		Refused: now.Refused, Compared: now.LastRound.UTC(),
	}
	for _, f := range now.Faults {
		status.Faults = append(status.Faults, api.StoreFault{Key: f.Key, Problem: f.Problem, Hint: f.Hint, Since: f.Since.UTC()})
	}
	if now.Err != nil {
		status.Error = now.Err.Error()
	}
	return status
}
