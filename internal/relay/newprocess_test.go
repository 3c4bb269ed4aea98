package relay

import (
	"testing"

	"github.com/doyen-mesh/doyen/xds/client"
)

// TestNextProcessAfterARestart restarts a relay that has all that the server has, so that the server sends nothing. A
// process that has nothing gets everything all the same.
func TestNextProcessAfterARestart(t *testing.T) {
	c := newControl(t)
	c.publish("n", "1")
	folder := t.TempDir()
	socket, stop := startRelay(t, folder, c.address)
	first := startProgram(t, socket, "n", client.Delta, nil)
	first.subscribe()
	c.inSync("n", everything...)
	first.stop()
	stop()
	socket, _ = startRelay(t, folder, c.address)
	next := startProgram(t, socket, "n", client.Delta, nil)
	next.subscribe()
	next.wants(t, "users", "users 1")
}
