package main

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/doyen-mesh/doyen/xds"
)

const (
	contentJSON     = "application/json"
	contentProtobuf = "application/x-protobuf"

	maxBody = 64 << 20 // bytes
)

// readBody returns the resources in the request's body; none if there is no body.
func readBody(w http.ResponseWriter, r *http.Request) ([]*xds.Resource, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, refuse(http.StatusRequestEntityTooLarge, "body: more than %d bytes", maxBody)
	} else if err != nil {
		return nil, refuse(http.StatusBadRequest, "body: %v", err)
	}
	anys, err := decodeBody(r.Header.Get("Content-Type"), body)
	if err != nil {
		return nil, err
	}
	resources := make([]*xds.Resource, len(anys))
	for i, a := range anys {
		if resources[i], err = unwrap(a); err != nil {
			return nil, refuse(http.StatusBadRequest, "resource %d of %d: %v", i+1, len(anys), err)
		}
	}
	return resources, nil
}

func decodeBody(contentType string, body []byte) ([]*anypb.Any, error) {
	if contentType == "" && len(body) == 0 {
		return nil, nil
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, refuse(http.StatusUnsupportedMediaType, "content type %q: %v: want %s or %s", contentType, err, contentProtobuf, contentJSON)
	}
	var anys []*anypb.Any
	switch media {
	case contentProtobuf:
		var response discoveryv3.DiscoveryResponse
		err = proto.Unmarshal(body, &response)
		anys = response.GetResources()
	case contentJSON:
		anys, err = decodeJSON(body)
	default:
		return nil, refuse(http.StatusUnsupportedMediaType, "content type %q: want %s or %s", contentType, contentProtobuf, contentJSON)
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "body: not a DiscoveryResponse in %s: %v", media, err)
	}
	return anys, nil
}

// writeBody answers with resources in the form that accept prefers, or else as JSON.
func writeBody(w http.ResponseWriter, accept []string, resources []*xds.Resource) error {
	anys := make([]*anypb.Any, len(resources))
	for i, r := range resources {
		anys[i] = wrap(r)
	}
	var body []byte
	var err error
	contentType := preferred(accept)
	if contentType == contentProtobuf {
		body, err = proto.Marshal(&discoveryv3.DiscoveryResponse{Resources: anys})
	} else {
		body, err = encodeJSON(anys)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", contentType)
	_, err = w.Write(body)
	return err
}

// preferred returns the form with the highest weight in accept: of several the first, and JSON if there is none.
func preferred(accept []string) string {
	best, most := contentJSON, 0.0
	for element := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, parameters, _ := mime.ParseMediaType(element)
		if media != contentProtobuf && media != contentJSON {
			continue
		}
		weight := 1.0
		if q, given := parameters["q"]; given {
			weight, _ = strconv.ParseFloat(q, 64)
		}
		if weight > most {
			best, most = media, weight
		}
	}
	return best
}
