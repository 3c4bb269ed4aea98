package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"unicode/utf8"

	"github.com/doyen-mesh/doyen/xds"
)

// maxFlag is the largest value of a flag, in bytes.
const maxFlag = 1 << 20

func handler(cache *xds.LinearCache, engine *xds.Server, seen *events) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /flags/{name}", func(w http.ResponseWriter, r *http.Request) {
		if !utf8.ValidString(r.PathValue("name")) {
			http.Error(w, "the name of a flag is UTF-8", http.StatusBadRequest)
			return
		}
		value, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFlag))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		cache.Put(xds.NewResource(flagType, r.PathValue("name"), value, xds.ResourceOptions{}))
	})
	mux.HandleFunc("DELETE /flags/{name}", func(_ http.ResponseWriter, r *http.Request) {
		cache.Delete(r.PathValue("name"))
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, _ *http.Request) {
		for _, line := range seen.all() {
			fmt.Fprintln(w, line)
		}
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(statusOf(engine)) // the reader is gone when this fails
	})
	return mux
}

// client is the status of one stream.
type client struct {
	Node         string `json:"node"`
	Method       string `json:"method"`
	InSync       bool   `json:"in_sync"`
	Sent         string `json:"sent"`
	Acknowledged string `json:"acknowledged"`
	Refused      string `json:"refused,omitempty"` // the client's message
}

// statusOf lists all streams that subscribe to flags, by node.
func statusOf(engine *xds.Server) []client {
	all := []client{}
	for _, node := range engine.Status() {
		for _, stream := range node.Streams {
			t, asked := stream.Types[flagType]
			if !asked {
				continue
			}
			c := client{Node: node.Node.ID, Method: stream.Method, InSync: t.InSync, Sent: t.Sent, Acknowledged: t.Acknowledged}
			if t.Rejected != nil {
				c.Refused = t.Rejected.Message
			}
			all = append(all, c)
		}
	}
	return all
}
