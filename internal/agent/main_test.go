package agent

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// testApp makes the test binary run as an application; its value says which.
const testApp = "DOYEN_AGENT_TEST_APP"

func TestMain(m *testing.M) {
	if name := os.Getenv(testApp); name != "" {
		os.Exit(apps[name]())
	}
	goleak.VerifyTestMain(m)
}

// apps are the applications that tests run as children.
var apps = map[string]func() int{
	"web":       web,
	"say-ports": sayPorts,
}

// web serves HTTP on PORT until SIGTERM: / says what it is, /slow takes half a second, /exit ends it
// with status 7, /healthz is 200 unless the file UNHEALTHY exists.
func web() int {
	mux, end := http.NewServeMux(), make(chan int, 1)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getenv("DOYEN_SERVICE")) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(500 * time.Millisecond)
		fmt.Fprint(w, "slow")
	})
	mux.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) { end <- 7 })
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat(os.Getenv("UNHEALTHY")); err == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	go func() {
		fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), mux))
		end <- 1
	}()
	select {
	case <-terminated:
		return 0
	case code := <-end:
		return code
	}
}

func sayPorts() int {
	for _, name := range []string{"PORT", "DOYEN_EGRESS", "DOYEN_TCP_LEDGER_DB", "GRPC_XDS_BOOTSTRAP", "DOYEN_SERVICE", "DOYEN_ZONE"} {
		fmt.Printf("%s=%s\n", name, os.Getenv(name))
	}
	return 0
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
