package main

import (
	"time"

	"github.com/doyen-mesh/doyen/xds"
)

// The answer to GET /status.
type (
	nodeStatus struct {
		Node    string         `json:"node"`
		Streams []streamStatus `json:"streams"` // empty, never null
	}
	streamStatus struct {
		ID     uint64                `json:"id"`
		Method string                `json:"method"` // such as delta-ads
		Types  map[string]typeStatus `json:"types"`  // by type URL
	}
	typeStatus struct {
		Sent         string     `json:"sent"`         // version of the type; "" before the first response
		Acknowledged string     `json:"acknowledged"` // "" before the first ACK
		Rejected     *rejection `json:"rejected,omitempty"`
	}
	rejection struct {
		Version string    `json:"version"`
		Message string    `json:"message"`
		Time    time.Time `json:"time"`
	}
)

func statusOf(node string, known xds.NodeStatus) nodeStatus {
	status := nodeStatus{Node: node, Streams: []streamStatus{}}
	for _, s := range known.Streams {
		types := make(map[string]typeStatus)
		for url, t := range s.Types {
			types[url] = typeStatus{t.Sent, t.Acknowledged, rejectionOf(t.Rejected)}
		}
		status.Streams = append(status.Streams, streamStatus{s.ID, s.Method, types})
	}
	return status
}

func rejectionOf(r *xds.Rejection) *rejection {
	if r == nil {
		return nil
	}
	return &rejection{r.Version, r.Message, r.Time}
}
