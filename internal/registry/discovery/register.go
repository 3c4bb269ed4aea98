package discovery

import (
	"errors"
	"fmt"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// register handles POST of one host.
func (h *handler) register(w http.ResponseWriter, r *http.Request) {
	service, ok := serviceIn(w, r)
	if !ok || !readForm(w, r) {
		return
	}
	i, err := described(service, r)
	if err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	if known := h.Registry.Snapshot().Instance(i.Key); known != nil {
		if !ours(known) {
			httpapi.Write(w, http.StatusOK, empty{}) // its agent describes it
			return
		}
		i.Tags = kept(known.Tags, i.Tags)
	}
	i.Weight = weightOf(i.Tags)
	if _, err := h.Registry.CheckIn(r.Context(), i); err != nil {
		fail(w, err)
		return
	}
	httpapi.Write(w, http.StatusOK, empty{})
}

// described returns the instance that a form describes, without its weight.
func described(service mesh.ServiceName, r *http.Request) (registry.Instance, error) {
	ip, err := ipIn(r)
	if err != nil {
		return registry.Instance{}, err
	}
	port, err := strconv.ParseUint(r.PostForm.Get("port"), 10, 16)
	if err != nil || port == 0 {
		return registry.Instance{}, fmt.Errorf("port: %.20q is none: want 1-65535", r.PostForm.Get("port"))
	}
	revision := r.PostForm.Get("revision")
	if revision == "" {
		return registry.Instance{}, errors.New("revision: it is required")
	}
	tags, err := parseTags(r.PostForm.Get("tags"))
	if err != nil {
		return registry.Instance{}, err
	}
	for _, name := range []string{"az", "region", "instance_id"} {
		if _, found := tags[name]; !found {
			return registry.Instance{}, fmt.Errorf("tags: %s is required", name)
		}
	}
	zone := zoneOf(tags)
	tags[SourceTag], tags[revisionTag] = Source, revision
	if repository := r.PostForm.Get("service_repo_name"); repository != "" {
		tags[repositoryTag] = repository
	}
	key := registry.Key{Service: service, Address: netip.AddrPortFrom(ip, uint16(port))}
	return registry.Instance{Key: key, Zone: zone, Tags: tags}, nil
}

// ipIn returns the address in a form, or that of the sender if the form asks for it.
func ipIn(r *http.Request) (netip.Addr, error) {
	text := r.PostForm.Get("ip")
	if text == "" && r.PostForm.Get("auto_ip") != "" {
		sender, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || sender.Addr().IsLoopback() {
			return netip.Addr{}, fmt.Errorf("auto_ip: %s is not an address at which others reach the host: send ip", r.RemoteAddr)
		}
		return sender.Addr().Unmap().WithZone(""), nil
	}
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("ip: %.80q is no IP address", text)
	}
	return ip.Unmap(), nil
}

// kept returns the tags of a host that checks in again: those before, with the later ones in their place. If that is too
// many, as after releases of which each has tags of its own, only the weight is left of those before, because somebody
// else may have set it: a host must not be refused for what it said long ago.
func kept(before, later map[string]string) map[string]string {
	if all := merged(before, later); len(all) <= registry.MaxTags {
		return all
	}
	if weight, found := before[weightTag]; found {
		return merged(map[string]string{weightTag: weight}, later)
	}
	return later
}

// merged returns the tags before, with the later ones in their place.
func merged(before, later map[string]string) map[string]string {
	all := maps.Clone(before)
	maps.Copy(all, later)
	return all
}

// remove handles DELETE of the host with an IP address, or with an IP address and a port.
func (h *handler) remove(w http.ResponseWriter, r *http.Request) {
	service, ok := serviceIn(w, r)
	if !ok {
		return
	}
	found, err := h.at(service, r.PathValue("address"))
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, "%v", err)
	case len(found) == 0:
		refuse(w, http.StatusBadRequest, "no such host came from here")
	case len(found) > 1:
		refuse(w, http.StatusBadRequest, "the host has %d ports: name one of them, IP:PORT", len(found))
	default:
		if err := h.Registry.Leave(r.Context(), found[0].Key, registry.Incarnation{}); err != nil && !errors.Is(err, registry.ErrUnknown) {
			fail(w, err)
			return
		}
		httpapi.Write(w, http.StatusOK, empty{})
	}
}

// at returns the instances of service from here at address, which is IP or IP:PORT; all of them if it is "".
func (h *handler) at(service mesh.ServiceName, address string) ([]*registry.Instance, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = address, ""
	}
	ip, err := netip.ParseAddr(host)
	if err != nil && address != "" {
		return nil, fmt.Errorf("%.80q is neither an IP address nor one with a port", address)
	}
	return slices.DeleteFunc(slices.Clone(h.Registry.Snapshot().Instances(service)), func(i *registry.Instance) bool {
		matches := address == "" || i.Address.Addr() == ip.Unmap() && (port == "" || port == strconv.Itoa(int(i.Address.Port())))
		return !ours(i) || !matches
	}), nil
}

// serviceIn parses {service} of the path. If it is none, it answers the call and returns false.
func serviceIn(w http.ResponseWriter, r *http.Request) (mesh.ServiceName, bool) {
	service, err := mesh.ParseServiceName(r.PathValue("service"))
	if err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return "", false
	}
	return service, true
}

// readForm reads the form in the body. If it cannot, it answers the call and returns false.
func readForm(w http.ResponseWriter, r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		refuse(w, http.StatusUnsupportedMediaType, "content type %.80q is not application/x-www-form-urlencoded", r.Header.Get("Content-Type"))
		return false
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err = r.ParseForm()
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		refuse(w, http.StatusRequestEntityTooLarge, "the form has more than %d bytes", maxForm)
		return false
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "the form: %v", err)
		return false
	}
	return true
}
