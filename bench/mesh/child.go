package mesh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/doyen-mesh/doyen/bench/fleet"
)

// ChildArgument is the first argument of this program in a process of sidecars.
const ChildArgument = "sidecars"

// command is a command to a process of sidecars. At most one field is set. Without any, it asks for progress.
type command struct {
	Open      *group
	Reconnect string // address of the server
	Close     bool   // all connections
	Sync      bool   // wait until everybody is in sync
	Forget    bool   // begin a new measurement
}

// group is a number of proxies of one kind.
type group struct {
	Address  string // of the server
	Count    int
	Services int  // proxies are spread over so many services
	Edge     bool // proxies of the edge instead
	Instance int  // number of the first instance, in node IDs
}

// answer is its answer.
type answer struct {
	Error    string
	Progress []fleet.Progress
	Began    time.Time // when the first connection was opened
}

// Child is the main function of a process of sidecars. It executes commands until its input ends.
func Child(ctx context.Context, in io.Reader, out io.Writer) error {
	commands, answers := json.NewDecoder(in), json.NewEncoder(out)
	c := &child{}
	defer c.close()
	for {
		var next command
		if err := commands.Decode(&next); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("command: %w", err)
		}
		said, err := c.do(ctx, next)
		if err != nil {
			said.Error = err.Error()
		}
		if err := answers.Encode(said); err != nil {
			return err
		}
	}
}

type child struct{ sidecars *fleet.Sidecars }

func (c *child) do(ctx context.Context, next command) (said answer, err error) {
	switch {
	case next.Open != nil:
		c.sidecars, err = fleet.OpenSidecars(fleet.SidecarOptions{
			Address: next.Open.Address, Count: next.Open.Count, Node: next.Open.node,
		})
	case next.Reconnect != "":
		err = c.sidecars.Reconnect(next.Reconnect)
	case next.Close:
		c.sidecars.Close()
	case next.Sync:
		err = c.sidecars.WaitSynced(ctx)
	case next.Forget:
		c.sidecars.Forget()
	default:
		said.Began = c.sidecars.Began()
		said.Progress, err = c.sidecars.Progress()
	}
	return said, err
}

func (c *child) close() {
	if c.sidecars != nil {
		c.sidecars.Close()
	}
}

// node is the encoded node of a proxy, as the bootstraps of doyen describe it.
func (g *group) node(number int) []byte {
	fields := map[string]any{"role": "sidecar", "service": serviceName(number % max(1, g.Services))}
	id := fmt.Sprintf("sidecar/%s/host-%d", fields["service"], g.Instance+number/max(1, g.Services))
	if g.Edge {
		fields = map[string]any{"role": "edge", "edge": edgeName, "vhds": true}
		id = fmt.Sprintf("edge/%s/host-%d", edgeName, g.Instance+number)
	}
	metadata, err := structpb.NewStruct(map[string]any{"doyen": fields})
	if err != nil {
		panic(err) // fields are strings
	}
	encoded, err := proto.Marshal(&corev3.Node{Id: id, UserAgentName: "envoy", Metadata: metadata})
	if err != nil {
		panic(err) // a message made here can always be encoded
	}
	return encoded
}
