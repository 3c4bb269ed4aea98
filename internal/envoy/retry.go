package envoy

import (
	"strings"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	previoushostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/doyen-mesh/doyen/internal/ir"
)

// The pause before the first retry, and the longest pause. It doubles from one to the other, with jitter.
const (
	retryBackOff    = 25 * time.Millisecond
	maxRetryBackOff = 250 * time.Millisecond
)

// otherHostAttempts is how many times a retry tries to select an instance that has not failed this request.
const otherHostAttempts = 5

// envoyRetries returns a retry policy that prefers instances that were not tried before. The documents use Envoy's
// names for conditions.
func envoyRetries(r *ir.Retries) *routev3.RetryPolicy {
	if r == nil {
		return nil
	}
	policy := retryPolicy(r.Attempts, r.On)
	policy.HostSelectionRetryMaxAttempts = otherHostAttempts
	policy.RetryHostPredicate = []*routev3.RetryPolicy_RetryHostPredicate{{
		Name: "envoy.retry_host_predicates.previous_hosts",
		ConfigType: &routev3.RetryPolicy_RetryHostPredicate_TypedConfig{
			TypedConfig: typed(&previoushostsv3.PreviousHostsPredicate{}),
		},
	}}
	if r.PerTryTimeout > 0 {
		policy.PerTryTimeout = durationpb.New(r.PerTryTimeout)
	}
	return policy
}

// grpcRetries returns a retry policy. Its conditions are ones that gRPC programs support.
func grpcRetries(r *ir.Retries) *routev3.RetryPolicy {
	if r == nil {
		return nil
	}
	return retryPolicy(r.Attempts, r.On)
}

func retryPolicy(attempts int, on []string) *routev3.RetryPolicy {
	return &routev3.RetryPolicy{
		RetryOn:    strings.Join(on, ","),
		NumRetries: wrapperspb.UInt32(uint32(attempts)),
		RetryBackOff: &routev3.RetryPolicy_RetryBackOff{
			BaseInterval: durationpb.New(retryBackOff),
			MaxInterval:  durationpb.New(maxRetryBackOff),
		},
	}
}
