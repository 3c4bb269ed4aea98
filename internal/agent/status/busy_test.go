package status

import (
	"net"
	"path/filepath"
	"testing"
)

// TestUpgradeThatHasBegun: an agent that is being replaced already closes the connections of all others who ask for that.
func TestUpgradeThatHasBegun(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Read(make([]byte, 1<<10))
		conn.Close()
	}()
	if err := Upgrade(t.Context(), socket); err != nil {
		t.Errorf("%v: want none, because the caller finds out what has become of the agent", err)
	}
}
