package discovery

import (
	"net/http"

	"golang.org/x/sync/errgroup"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// weigh handles POST of a new weight, for one host or for all hosts of a service.
func (h *handler) weigh(w http.ResponseWriter, r *http.Request) {
	service, ok := serviceIn(w, r)
	if !ok || !readForm(w, r) {
		return
	}
	text := r.PostForm.Get(weightTag)
	if _, err := parseWeight(text); err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	address := r.PathValue("address")
	found, err := h.at(service, address)
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	case len(found) == 0 && address != "":
		refuse(w, http.StatusNotFound, "no such host came from here")
		return
	}
	group, ctx := errgroup.WithContext(r.Context())
	group.SetLimit(registry.MaxBatch) // which the store takes in one write
	for _, i := range found {
		group.Go(func() error {
			fresh := *i
			fresh.Incarnation, fresh.Sequence = registry.Incarnation{}, 0
			fresh.Tags = merged(i.Tags, map[string]string{weightTag: text})
			fresh.Weight = weightOf(fresh.Tags)
			_, err := h.Registry.CheckIn(ctx, fresh)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		fail(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
