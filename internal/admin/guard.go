package admin

import (
	"net/http"

	"github.com/doyen-mesh/doyen/internal/httpapi"
)

// guard refuses requests from web pages. A browser on the same machine reaches loopback ports, so any page could call
// the API (DNS rebinding, cross-site forms). Requests must therefore have a host that no attacker's DNS can point
// here: an IP address, localhost or one of hosts. Requests that change state must also be JSON, which a page cannot
// send to another origin without a preflight request.
func guard(hosts []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !httpapi.TrustedHost(r.Host, hosts) {
			hint := "use its IP address or localhost"
			if name := httpapi.Hostname(r.Host); name != "" {
				hint += ", or start the server with --http-host " + name
			}
			httpapi.Write(w, http.StatusMisdirectedRequest, httpapi.Error{Error: "host " + quote(r.Host) + " is not a name of this server", Hint: hint})
			return
		}
		if hasBody(r) && !httpapi.IsJSON(r.Header.Get("Content-Type")) {
			httpapi.Write(w, http.StatusUnsupportedMediaType, httpapi.Error{
				Error: "content type " + quote(r.Header.Get("Content-Type")) + " is not application/json",
				Hint:  "send the header Content-Type: application/json",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hasBody returns true for every method that changes state, except DELETE: its path says everything, and a page
// cannot send it to another origin without a preflight request.
func hasBody(r *http.Request) bool {
	return r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch
}
