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

// throughRelay puts a relay between each server of this package and its clients.
var throughRelay = os.Getenv("DOYEN_TEST_RELAY") != ""

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
