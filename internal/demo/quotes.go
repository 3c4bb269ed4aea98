package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	_ "google.golang.org/grpc/xds" // resolves xds:///NAME

	"github.com/doyen-mesh/doyen/internal/traffic"
)

// quoteMethod returns the name of the instance that answered.
const quoteMethod = "/doyen.demo.Quotes/Quote"

// askAgain is how long the desk waits before it calls again until the first answer.
const askAgain = 100 * time.Millisecond

// serveQuotes runs a gRPC server on PORT, with a health service.
func serveQuotes(ctx context.Context, instance string, _ io.Writer) error {
	return serveGRPC(ctx, &grpc.ServiceDesc{
		ServiceName: "doyen.demo.Quotes",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Quote",
			Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				if err := decode(&emptypb.Empty{}); err != nil {
					return nil, err
				}
				return wrapperspb.String(instance), nil
			},
		}},
	})
}

// serveGRPC serves on the address where callers reach the instance, since no proxy is in front of it. It serves until
// ctx ends, then finishes open calls.
func serveGRPC(ctx context.Context, services ...*grpc.ServiceDesc) error {
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("DOYEN_ADDRESS"), os.Getenv("PORT")))
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	healthv1.RegisterHealthServer(server, health.NewServer())
	for _, s := range services {
		server.RegisterService(s, struct{}{})
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		hard := time.AfterFunc(finishTimeout, server.Stop)
		defer hard.Stop()
		server.GracefulStop()
	}()
	if err := server.Serve(listener); err != nil {
		return err
	}
	<-stopped
	return nil
}

// quotesClient calls quotes and never retries.
type quotesClient struct {
	conn *grpc.ClientConn
}

func dialQuotes(target string, options ...grpc.DialOption) (*quotesClient, error) {
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	conn, err := grpc.NewClient(target, options...)
	return &quotesClient{conn}, err
}

// dialQuotesThroughEnvoy reaches quotes through the sidecar whose URL is egress.
func dialQuotesThroughEnvoy(egress string) (*quotesClient, error) {
	return dialQuotes("passthrough:///"+strings.TrimPrefix(egress, "http://"), grpc.WithAuthority("quotes"))
}

func (q *quotesClient) ask(ctx context.Context) (traffic.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, traffic.CallTimeout)
	defer cancel()
	name := &wrapperspb.StringValue{}
	if err := q.conn.Invoke(ctx, quoteMethod, &emptypb.Empty{}, name); err != nil {
		return traffic.Answer{}, fmt.Errorf("quotes: %w", err)
	}
	return traffic.Answer{Service: "quotes", Instance: name.Value}, nil
}

// runDesk calls quotes at the demo's rate as a proxyless gRPC program, and writes its figures to stdout, one line
// of JSON per report. It serves its own health on PORT.
func runDesk(ctx context.Context, _ string, stdout io.Writer) error {
	quotes, err := dialQuotes("xds:///quotes")
	if err != nil {
		return err
	}
	defer quotes.conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var m traffic.Meter
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		if _, err := quotes.firstAnswer(ctx); err != nil {
			return
		}
		traffic.Steadily(ctx, rate, &m, func() (string, error) {
			a, err := quotes.ask(context.WithoutCancel(ctx))
			return a.Instance, err
		})
	})
	group.Go(func() { traffic.Report(ctx, &m, stdout) })
	err = serveGRPC(ctx)
	cancel()
	return err
}

// firstAnswer waits until quotes answers, since the desk may start first.
func (q *quotesClient) firstAnswer(ctx context.Context) (traffic.Answer, error) {
	for {
		a, err := q.ask(ctx)
		if err == nil || ctx.Err() != nil {
			return a, err
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return a, err
		}
	}
}
