package agent

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// testApp makes the test binary run as an application; its value says which.
const testApp = "DOYEN_AGENT_TEST_APP"

func TestMain(m *testing.M) {
	if name := os.Getenv(testApp); name != "" {
		os.Exit(apps()[name]())
	}
	goleak.VerifyTestMain(m)
}

// apps are the applications that tests run as children.
func apps() map[string]func() int { return map[string]func() int{"web": web, "stubborn": stubborn} }

// stubborn ignores SIGTERM, once it has said so.
func stubborn() int {
	signal.Ignore(syscall.SIGTERM)
	fmt.Fprintln(os.Stderr, "deaf from now on")
	time.Sleep(time.Hour)
	return 1
}

// web serves HTTP on PORT, or ANOTHER_PORT, until SIGTERM: / says which service it is, /slow takes half a second after making
// the file SLOW, /exit ends it with status 7, /environment shows what the agent told it, and /healthz is 200
// unless the file UNHEALTHY exists.
func web() int {
	mux, end := http.NewServeMux(), make(chan int, 1)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getenv("DOYEN_SERVICE")) })
	mux.HandleFunc("/slow", func(http.ResponseWriter, *http.Request) {
		_ = os.WriteFile(os.Getenv("SLOW"), nil, 0o644)
		time.Sleep(500 * time.Millisecond)
	})
	mux.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) { end <- 7 })
	mux.HandleFunc("/environment", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, environment()) })
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat(os.Getenv("UNHEALTHY")); err == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Addr: "127.0.0.1:" + cmp.Or(os.Getenv("ANOTHER_PORT"), os.Getenv("PORT")), Handler: mux}
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	go func() {
		fmt.Fprintln(os.Stderr, server.ListenAndServe())
		end <- 1
	}()
	select {
	case <-terminated:
		return 0
	case code := <-end:
		return code
	}
}

// environment is what the agent told the application, with the content of the file it names.
func environment() string {
	text := ""
	for _, e := range os.Environ() {
		if strings.HasPrefix(e, "DOYEN_") || strings.HasPrefix(e, "PORT=") {
			text += e + "\n"
		}
	}
	bootstrap := os.Getenv("GRPC_XDS_BOOTSTRAP_CONFIG")
	return text + bootstrap
}

// eventually waits until f reports true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after 20 s still not: %s", what)
		}
	}
}
