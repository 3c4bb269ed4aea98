package e2e

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// appVariable makes the test binary run as an application of the mesh; its value is the application's name.
const appVariable = "DOYEN_E2E_APP"

// kindVariable says what the application serves: "grpc", "tcp", or otherwise HTTP.
const kindVariable = "DOYEN_E2E_KIND"

// answer describes the request that an application got.
type answer struct {
	App  string `json:"app"`
	Path string `json:"path"`
	Body string `json:"body,omitempty"` // of a further hop
}

// runApp serves HTTP on the port in PORT until SIGTERM, then finishes what it has. On the port in
// DOYEN_PORT_ADMIN, if there is one, it answers as NAME:admin.
//
//	/              says who answered
//	/call/NAME/... calls NAME through the sidecar and passes on status and body
//	/tcp/NAME      sends a line through the sidecar's TCP port for NAME and passes on the answer
//	/grpc/NAME     calls NAME by gRPC, which is its own proxy
//	/sleep?for=1s  answers later
//	/exit?status=7 ends the application
//	/fail/odd      500 for every odd one of these requests
//	/fail/BEGIN    500 when the application's name begins so
//	/healthz       200, unless the file in UNHEALTHY exists
func runApp(name string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(answer{App: name, Path: r.URL.Path})
	})
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) {
		if unhealthy() {
			http.Error(w, "unhealthy on purpose", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/sleep", func(w http.ResponseWriter, r *http.Request) {
		d, _ := time.ParseDuration(r.FormValue("for"))
		select {
		case <-time.After(d):
		case <-r.Context().Done():
		}
		_ = json.NewEncoder(w).Encode(answer{App: name, Path: r.URL.Path})
	})
	var asked atomic.Int64
	mux.HandleFunc("/fail/{who}", func(w http.ResponseWriter, r *http.Request) {
		who := r.PathValue("who")
		if who == "odd" && asked.Add(1)%2 == 1 || strings.HasPrefix(name, who) {
			http.Error(w, "failed on purpose", http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(answer{App: name, Path: r.URL.Path})
	})
	mux.HandleFunc("/exit", func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.FormValue("status"))
		time.AfterFunc(50*time.Millisecond, func() { os.Exit(status) }) // after the answer
	})
	mux.HandleFunc("/call/", func(w http.ResponseWriter, r *http.Request) {
		to, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/call/"), "/")
		request, err := http.NewRequestWithContext(r.Context(), r.Method, os.Getenv("DOYEN_EGRESS")+"/"+path, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		request.Host = to
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer response.Body.Close()
		w.WriteHeader(response.StatusCode)
		_, _ = io.Copy(w, response.Body)
	})
	mux.HandleFunc("/grpc/", callProxyless)
	mux.HandleFunc("/tcp/", func(w http.ResponseWriter, r *http.Request) {
		target := os.Getenv("DOYEN_TCP_" + strings.ToUpper(strings.ReplaceAll(strings.TrimPrefix(r.URL.Path, "/tcp/"), "-", "_")))
		line, err := exchange(target, "hello\n")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(answer{App: name, Path: r.URL.Path, Body: line})
	})

	if admin := os.Getenv("DOYEN_PORT_ADMIN"); admin != "" {
		go func() {
			_ = http.ListenAndServe("127.0.0.1:"+admin, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = json.NewEncoder(w).Encode(answer{App: name + ":admin", Path: r.URL.Path})
			}))
		}()
	}
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT"), Handler: mux}
	go func() {
		<-ctx.Done()
		finish, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = server.Shutdown(finish)
	}()
	if err := server.ListenAndServe(); err != nil && err != http.ErrServerClosed {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// callProxyless calls a service with the bootstrap in the environment, and passes on who answered.
func callProxyless(w http.ResponseWriter, r *http.Request) {
	conn, err := grpc.NewClient("xds:///"+strings.TrimPrefix(r.URL.Path, "/grpc/"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer conn.Close()
	app, err := callGRPC(conn)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	_ = json.NewEncoder(w).Encode(answer{App: app, Path: r.URL.Path})
}

// exchange sends text to a TCP address and returns the first line of the answer.
func exchange(address, text string) (string, error) {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		return "", err
	}
	buffer := make([]byte, 256)
	n, err := conn.Read(buffer)
	return strings.TrimSpace(string(buffer[:n])), err
}

// unhealthy reports whether the test wants this application to be unhealthy.
func unhealthy() bool {
	_, err := os.Stat(cmp.Or(os.Getenv("UNHEALTHY"), "/nonexistent"))
	return err == nil
}

// runTCPApp answers each line with its name and the line, until SIGTERM. It does not listen while it is unhealthy.
func runTCPApp(name string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	var listener net.Listener
	for ctx.Err() == nil {
		switch sick := unhealthy(); {
		case sick && listener != nil:
			listener.Close()
			listener = nil
		case !sick && listener == nil:
			var err error
			if listener, err = net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT")); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			go answerLines(listener, name)
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond): // between two looks
		}
	}
}

// answerLines answers each line with name and the line, until the listener is closed.
func answerLines(listener net.Listener, name string) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				_, _ = io.WriteString(conn, name+": "+lines.Text()+"\n")
			}
		}()
	}
}
