package bootstrap

import (
	"fmt"
	"time"

	overloadv3 "github.com/envoyproxy/go-control-plane/envoy/config/overload/v3"
	downstreamconnectionsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	fixedheapv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/fixed_heap/v3"
	injectedresourcev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/injected_resource/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// maxConnections is how many connections one Envoy accepts from clients. It refuses more, so that it does not run out
// of memory or file descriptors. The admin port is exempt.
const maxConnections = 50_000

// refreshInterval is how often Envoy asks its monitors.
const refreshInterval = 250 * time.Millisecond

// The names by which Envoy knows its monitors.
const (
	connectionsMonitor = "envoy.resource_monitors.global_downstream_max_connections"
	heapMonitor        = "envoy.resource_monitors.fixed_heap"
	drainMonitor       = "envoy.resource_monitors.injected_resource"
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

// overload limits connections and, if o says so, memory, and lets o's file end connections.
func overload(o Options) (*overloadv3.OverloadManager, error) {
	connections, err := monitor(connectionsMonitor, &downstreamconnectionsv3.DownstreamConnectionsConfig{MaxActiveDownstreamConnections: maxConnections})
	if err != nil {
		return nil, err
	}
	m := &overloadv3.OverloadManager{ResourceMonitors: []*overloadv3.ResourceMonitor{connections}}
	if o.MaxHeap > 0 {
		if err := limitHeap(m, o.MaxHeap); err != nil {
			return nil, err
		}
	}
	if o.DrainFile != "" {
		if err := drainBy(m, o.DrainFile); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func limitHeap(m *overloadv3.OverloadManager, bytes uint64) error {
	heap, err := monitor(heapMonitor, &fixedheapv3.FixedHeapConfig{MaxHeapSizeBytes: bytes})
	if err != nil {
		return err
	}
	m.RefreshInterval = durationpb.New(refreshInterval)
	m.ResourceMonitors = append(m.ResourceMonitors, heap)
	for _, a := range overloadActions {
		m.Actions = append(m.Actions, action(a.name, heapMonitor, a.at))
	}
	return nil
}

// drainBy lets a file end all connections of callers. Envoy has no command for that which also reaches a connection on
// which nothing happens, nor any command once another Envoy takes over. But it can shorten the time that
// connections may last when some resource is used up, and a file can say that one is.
func drainBy(m *overloadv3.OverloadManager, file string) error {
	injected, err := monitor(drainMonitor, &injectedresourcev3.InjectedResourceConfig{Filename: file})
	if err != nil {
		return err
	}
	timers, err := anypb.New(&overloadv3.ScaleTimersOverloadActionConfig{
		TimerScaleFactors: []*overloadv3.ScaleTimersOverloadActionConfig_ScaleTimer{{
			Timer:          overloadv3.ScaleTimersOverloadActionConfig_HTTP_DOWNSTREAM_CONNECTION_MAX,
			OverloadAdjust: &overloadv3.ScaleTimersOverloadActionConfig_ScaleTimer_MinTimeout{MinTimeout: durationpb.New(0)},
		}},
	})
	if err != nil {
		return fmt.Errorf("overload manager: %w", err)
	}
	reduce := action("envoy.overload_actions.reduce_timeouts", drainMonitor, 1)
	reduce.TypedConfig = timers
	m.RefreshInterval = durationpb.New(refreshInterval)
	m.ResourceMonitors, m.Actions = append(m.ResourceMonitors, injected), append(m.Actions, reduce)
	return nil
}

// action is taken when a monitor reports that part of its resource as used.
func action(name, monitor string, at float64) *overloadv3.OverloadAction {
	return &overloadv3.OverloadAction{Name: name, Triggers: []*overloadv3.Trigger{{
		Name:         monitor,
		TriggerOneof: &overloadv3.Trigger_Threshold{Threshold: &overloadv3.ThresholdTrigger{Value: at}},
	}}}
}

func monitor(name string, config proto.Message) (*overloadv3.ResourceMonitor, error) {
	typed, err := anypb.New(config)
	if err != nil {
		return nil, fmt.Errorf("overload manager: %w", err)
	}
	return &overloadv3.ResourceMonitor{Name: name, ConfigType: &overloadv3.ResourceMonitor_TypedConfig{TypedConfig: typed}}, nil
}
