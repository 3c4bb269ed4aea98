package demo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/doyen-mesh/doyen/internal/traffic"
)

// finishTimeout is how long an application may take to finish open requests when it is stopped.
const finishTimeout = 5 * time.Second

// application is one program of the demo.
type application func(ctx context.Context, instance string, stdout io.Writer) error

// applications are the programs of the demo, by name.
func applications() map[string]application {
	return map[string]application{
		"web":    service(callsHTTP("users", "orders")),
		"users":  service(nil),
		"orders": service(callsOrders),
		"quotes": serveQuotes,
		"desk":   runDesk,
		"ledger": serveLedger,
	}
}

// RunApplication runs one program of the demo until ctx ends. Its answers name instance.
func RunApplication(ctx context.Context, name, instance string, stdout io.Writer) error {
	run, ok := applications()[name]
	if !ok {
		return fmt.Errorf("there is no application %q", name)
	}
	return run(ctx, cmp.Or(instance, name), stdout)
}

// callServices calls the services that an answer depends on.
type callServices func(ctx context.Context) ([]traffic.Answer, error)

// service is an HTTP server on PORT that answers every path with its name and the answers of the services that it
// calls, or with 502 when one of them did not answer. open runs once, when the program starts.
func service(open func() (callServices, error)) application {
	return func(ctx context.Context, instance string, _ io.Writer) error {
		call := func(context.Context) ([]traffic.Answer, error) { return nil, nil }
		if open != nil {
			opened, err := open()
			if err != nil {
				return err
			}
			call = opened
		}
		mux := http.NewServeMux()
		mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			called, err := call(r.Context())
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(traffic.Answer{Service: os.Getenv("DOYEN_SERVICE"), Instance: instance, Called: called})
		})
		return serveHTTP(ctx, mux)
	}
}

func serveHTTP(ctx context.Context, handler http.Handler) error {
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT"), Handler: handler, ReadHeaderTimeout: traffic.CallTimeout}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		finish, cancel := context.WithTimeout(context.Background(), finishTimeout)
		defer cancel()
		_ = server.Shutdown(finish)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-stopped
	return nil
}

// callsHTTP calls services through the sidecar; the host is the name of the service.
func callsHTTP(services ...string) func() (callServices, error) {
	return func() (callServices, error) {
		egress := traffic.NewCaller(os.Getenv("DOYEN_EGRESS"))
		return func(ctx context.Context) ([]traffic.Answer, error) {
			var called []traffic.Answer
			for _, service := range services {
				a, err := egress.Call(ctx, service, "/")
				if err != nil {
					return nil, err
				}
				called = append(called, a)
			}
			return called, nil
		}, nil
	}
}

// callsOrders calls users over HTTP, quotes over gRPC and the ledger over TCP, all through the sidecar.
func callsOrders() (callServices, error) {
	users, err := callsHTTP("users")()
	if err != nil {
		return nil, err
	}
	quotes, err := dialQuotesThroughEnvoy(os.Getenv("DOYEN_EGRESS"))
	if err != nil {
		return nil, err
	}
	ledger := &ledgerClient{address: os.Getenv("DOYEN_TCP_LEDGER"), idle: make(chan *ledgerConn, 64)}
	return func(ctx context.Context) ([]traffic.Answer, error) {
		called, err := users(ctx)
		if err != nil {
			return nil, err
		}
		quote, err := quotes.ask(ctx)
		if err != nil {
			return nil, err
		}
		entry, err := ledger.ask(ctx)
		if err != nil {
			return nil, err
		}
		return append(called, quote, entry), nil
	}, nil
}
