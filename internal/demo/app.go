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
)

// finishTimeout is how long an application may take to answer what it has when it is asked to end.
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

// RunApplication runs one program of the demo until ctx ends. It calls itself instance in its answers.
func RunApplication(ctx context.Context, name, instance string, stdout io.Writer) error {
	run, ok := applications()[name]
	if !ok {
		return fmt.Errorf("there is no application %q", name)
	}
	return run(ctx, cmp.Or(instance, name), stdout)
}

// asks asks other services for what an answer needs.
type asks func(ctx context.Context) ([]answer, error)

// service is an HTTP server on PORT that answers every path with its name and what those said whom it
// asked; 502 when one of them did not answer. opened makes asks once, when the program starts.
func service(open func() (asks, error)) application {
	return func(ctx context.Context, instance string, _ io.Writer) error {
		ask := func(context.Context) ([]answer, error) { return nil, nil }
		if open != nil {
			opened, err := open()
			if err != nil {
				return err
			}
			ask = opened
		}
		mux := http.NewServeMux()
		mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			asked, err := ask(r.Context())
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(answer{Service: os.Getenv("DOYEN_SERVICE"), Instance: instance, Asked: asked})
		})
		return serveHTTP(ctx, mux)
	}
}

func serveHTTP(ctx context.Context, handler http.Handler) error {
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT"), Handler: handler, ReadHeaderTimeout: callTimeout}
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

// callsHTTP asks services through the sidecar, by their names as hosts.
func callsHTTP(services ...string) func() (asks, error) {
	return func() (asks, error) {
		egress := newCaller(os.Getenv("DOYEN_EGRESS"))
		return func(ctx context.Context) ([]answer, error) {
			var asked []answer
			for _, service := range services {
				a, err := egress.call(ctx, service, "/")
				if err != nil {
					return nil, err
				}
				asked = append(asked, a)
			}
			return asked, nil
		}, nil
	}
}

// callsOrders asks users over HTTP, quotes over gRPC and the ledger over TCP, all through the sidecar.
func callsOrders() (asks, error) {
	users, err := callsHTTP("users")()
	if err != nil {
		return nil, err
	}
	quotes, err := dialQuotesThroughEnvoy(os.Getenv("DOYEN_EGRESS"))
	if err != nil {
		return nil, err
	}
	ledger := &ledgerClient{address: os.Getenv("DOYEN_TCP_LEDGER"), idle: make(chan *ledgerConn, 64)}
	return func(ctx context.Context) ([]answer, error) {
		asked, err := users(ctx)
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
		return append(asked, quote, entry), nil
	}, nil
}
