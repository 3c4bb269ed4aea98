package conformance

import (
	"context"
	"net"
	"os"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/doyen-mesh/doyen/internal/relay"
)

// throughRelay puts a relay between each server of this package and its clients. With DOYEN_TEST_RELAY=1 the clients
// are those written in Go, and an Envoy with an aggregated stream; with DOYEN_TEST_RELAY=all they are all of them.
var throughRelay = os.Getenv("DOYEN_TEST_RELAY") != ""

// chosen says whether a test runs with a kind of client; principal says that it does so through a relay too.
func chosen(t *testing.T, principal bool) {
	t.Helper()
	if throughRelay && !principal && os.Getenv("DOYEN_TEST_RELAY") != "all" {
		t.Skip("through a relay only with DOYEN_TEST_RELAY=all")
	}
}

// copies are the relays' folders by test and address: a server that is restarted gets a relay with the same copies.
var copies sync.Map

// relayed runs a relay that serves front, and returns the address on which the server must listen.
func relayed(t *testing.T, front net.Listener) (back net.Listener, stop func()) {
	t.Helper()
	back, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(back.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	folder, _ := copies.LoadOrStore(t.Name()+front.Addr().String(), t.TempDir())
	r := relay.New(relay.Options{Servers: conn, Folder: folder.(string)})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, front) }()
	return back, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = conn.Close()
	}
}
