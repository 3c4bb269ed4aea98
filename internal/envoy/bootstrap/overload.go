package bootstrap

import (
	"fmt"
	"time"

	overloadv3 "github.com/envoyproxy/go-control-plane/envoy/config/overload/v3"
	downstreamconnectionsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	fixedheapv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/fixed_heap/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// maxConnections is how many connections one Envoy accepts from clients. It refuses more, so that it does not run out
// of memory or file descriptors. The admin port is exempt.
const maxConnections = 50_000

// heapInterval is how often Envoy looks at its heap.
const heapInterval = 250 * time.Millisecond

// The names by which Envoy knows its monitors.
const (
	connectionsMonitor = "envoy.resource_monitors.global_downstream_max_connections"
	heapMonitor        = "envoy.resource_monitors.fixed_heap"
)

// overloadActions are what Envoy does when its heap has reached that part of the limit.
var overloadActions = [...]struct {
	name string
	at   float64
}{
	{"envoy.overload_actions.shrink_heap", 0.90},                // gives memory back to the system
	{"envoy.overload_actions.stop_accepting_requests", 0.95},    // answers 503
	{"envoy.overload_actions.stop_accepting_connections", 0.98}, // until it is below again
}

// overload limits connections and, with a limit of more than 0 bytes, memory.
func overload(maxHeap uint64) (*overloadv3.OverloadManager, error) {
	connections, err := monitor(connectionsMonitor, &downstreamconnectionsv3.DownstreamConnectionsConfig{MaxActiveDownstreamConnections: maxConnections})
	if err != nil {
		return nil, err
	}
	m := &overloadv3.OverloadManager{ResourceMonitors: []*overloadv3.ResourceMonitor{connections}}
	if maxHeap == 0 {
		return m, nil
	}
	heap, err := monitor(heapMonitor, &fixedheapv3.FixedHeapConfig{MaxHeapSizeBytes: maxHeap})
	if err != nil {
		return nil, err
	}
	m.RefreshInterval = durationpb.New(heapInterval)
	m.ResourceMonitors = append(m.ResourceMonitors, heap)
	for _, a := range overloadActions {
		m.Actions = append(m.Actions, &overloadv3.OverloadAction{Name: a.name, Triggers: []*overloadv3.Trigger{{
			Name:         heapMonitor,
			TriggerOneof: &overloadv3.Trigger_Threshold{Threshold: &overloadv3.ThresholdTrigger{Value: a.at}},
		}}})
	}
	return m, nil
}

func monitor(name string, config proto.Message) (*overloadv3.ResourceMonitor, error) {
	typed, err := anypb.New(config)
	if err != nil {
		return nil, fmt.Errorf("overload manager: %w", err)
	}
	return &overloadv3.ResourceMonitor{Name: name, ConfigType: &overloadv3.ResourceMonitor_TypedConfig{TypedConfig: typed}}, nil
}
