package discovery

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/registry"
)

const (
	// SourceTag is the tag that says where an instance came from, and Source is its value for instances from here.
	SourceTag = "doyen/source"
	Source    = "discovery"

	// Where the parameters of a post are kept that are no tags.
	revisionTag   = "discovery/revision"
	repositoryTag = "discovery/service_repo_name"
)

// maxForm is the size of the largest form, in bytes.
const maxForm = 64 << 10

// Options are the parts that the handler needs.
type Options struct {
	Registry *registry.Registry
	Hosts    []string // names besides IP addresses and localhost under which the server may be called
}

type handler struct{ Options }

// Handler returns the handler for all paths.
func Handler(options Options) http.Handler {
	h := &handler{options}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/registration/{service}", h.list)
	mux.HandleFunc("GET /v1/registration/repo/{repository}", h.listRepository)
	mux.HandleFunc("POST /v1/registration/{service}", h.register)
	mux.HandleFunc("DELETE /v1/registration/{service}/{address}", h.remove)
	mux.HandleFunc("POST /v1/loadbalancing/{service}", h.weigh)
	mux.HandleFunc("POST /v1/loadbalancing/{service}/{address}", h.weigh)
	mux.HandleFunc("GET /healthcheck", func(w http.ResponseWriter, _ *http.Request) { httpapi.Write(w, http.StatusOK, empty{}) })
	return h.guard(mux)
}

// empty is the answer to what worked.
type empty struct{}

// refusal is the answer to what did not.
type refusal struct {
	Error string `json:"error"`
}

func refuse(w http.ResponseWriter, status int, format string, args ...any) {
	httpapi.Write(w, status, refusal{fmt.Sprintf(format, args...)})
}

// guard refuses the requests of web pages. A page can send a form to any address that its reader's browser reaches,
// and with DNS rebinding read answers. Browsers say so in at least one of these headers, and jobs send none of them.
func (h *handler) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Origin", "Sec-Fetch-Site", "Referer"} {
			if r.Header.Get(name) != "" {
				refuse(w, http.StatusForbidden, "requests with the header %s, which browsers send, are refused", name)
				return
			}
		}
		if !httpapi.TrustedHost(r.Host, h.Hosts) {
			refuse(w, http.StatusMisdirectedRequest, "host %.80q is not a name of this server: use its IP address, or start it with --http-host", r.Host)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// fail answers a call with an error of the registry.
func fail(w http.ResponseWriter, err error) {
	var invalid registry.Invalid
	taken := new(registry.Taken)
	switch {
	case errors.As(err, &invalid):
		refuse(w, http.StatusBadRequest, "%v", err)
	case errors.As(err, &taken), errors.Is(err, registry.ErrLeft):
		refuse(w, http.StatusConflict, "%v", err)
	case errors.Is(err, registry.ErrFull):
		refuse(w, http.StatusInsufficientStorage, "%v", err)
	default:
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, "%v", err)
	}
}

// ours reports whether i came from here.
func ours(i *registry.Instance) bool { return i != nil && i.Tags[SourceTag] == Source }

// lastCheckIn returns when the instance checked in last, as the wire form writes it, in UTC.
func (h *handler) lastCheckIn(i *registry.Instance) string {
	lease, _ := h.Registry.Lease(i.Key)
	if i.Source != "" {
		lease.Expires = time.Now().Add(i.Lease) // it is listed at this moment
	}
	return lease.Expires.Add(-i.Lease).UTC().Format(time.RFC3339)
}
