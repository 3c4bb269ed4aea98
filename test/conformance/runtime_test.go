package conformance

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	runtimev3 "github.com/envoyproxy/go-control-plane/envoy/service/runtime/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/xdstest"
)

// TestRuntimeWithTTL has a runtime layer with a TTL, which stays as long as the server confirms it, and ends when the
// server stops. Envoy's usual client of the state-of-the-world protocol ignores heartbeats; its unified mux does not.
func TestRuntimeWithTTL(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		const ttl = time.Second
		s := serve(t, xdstest.Options{}, xds.ServerOptions{})
		layer := &runtimev3.Runtime{Name: "layer", Layer: &structpb.Struct{Fields: map[string]*structpb.Value{
			"some.key": structpb.NewStringValue("set"),
		}}}
		s.publish(encoded(layer, "layer", xds.ResourceOptions{TTL: ttl}))
		e := runEnvoy(t, v, `, "layered_runtime": {"layers": [
			{"name": "mux", "static_layer": {"envoy.reloadable_features.unified_mux": true}},
			{"name": "layer", "rtds_layer": {"name": "layer", "rtds_config": `+v.source()+`}}
		]}`, s.address)
		eventually(t, "runtime", func() error { return runtimeIs(e, "set") })
		// It exists at every moment of a time that is several times its TTL.
		for end := time.Now().Add(3 * ttl); time.Now().Before(end); {
			if err := runtimeIs(e, "set"); err != nil {
				t.Fatalf("while the server is there: %v", err)
			}
			time.Sleep(ttl / 20)
		}
		heartbeats := 0
		for _, m := range s.responses(typeURL(layer)) {
			for _, r := range m.Resources {
				if r.Heartbeat {
					heartbeats++
				}
			}
		}
		if heartbeats == 0 {
			t.Error("no heartbeat was sent")
		}
		s.stop()
		eventually(t, "expiry", func() error { return runtimeIs(e, "") })
	})
}

func runtimeIs(e *envoy, want string) error {
	page, err := e.get("/runtime")
	if err != nil {
		return err
	}
	var all struct {
		Entries map[string]struct {
			FinalValue string `json:"final_value"`
		}
	}
	if err := json.Unmarshal([]byte(page), &all); err != nil {
		return err
	}
	if got := all.Entries["some.key"].FinalValue; got != want {
		return fmt.Errorf("some.key is %q, want %q", got, want)
	}
	return nil
}
