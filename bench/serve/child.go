package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"google.golang.org/grpc"

	"github.com/doyen-mesh/doyen/bench/workload"
)

// Child is the whole of a server process: it serves the kind with this name until its input ends.
// The first value on it is the shape.
func Child(ctx context.Context, name string, in io.Reader, out io.Writer) error {
	k, err := kind(name)
	if err != nil {
		return err
	}
	var shape workload.Shape
	commands := json.NewDecoder(in)
	if err := commands.Decode(&shape); err != nil {
		return fmt.Errorf("shape: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t, err := k.make(ctx, shape)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer(t.options()...)
	t.register(server)
	stopped := make(chan error, 2)
	go func() { stopped <- server.Serve(listener) }()
	go func() { stopped <- t.run(ctx) }()
	defer func() {
		cancel()
		server.Stop()
		<-stopped
		<-stopped
	}()
	answers := json.NewEncoder(out)
	if err := answers.Encode(Answer{Address: listener.Addr().String()}); err != nil {
		return err
	}
	return (&child{target: t}).obey(commands, answers)
}

// child is what obeys commands.
type child struct {
	target    target
	sequence  uint32
	publish   func() error // the prepared change
	profiling profiling
}

func (c *child) obey(commands *json.Decoder, answers *json.Encoder) error {
	for {
		var command Command
		if err := commands.Decode(&command); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("command: %w", err)
		}
		answer, err := c.do(command)
		if err != nil {
			answer.Error = err.Error()
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
}

func (c *child) do(command Command) (answer Answer, err error) {
	switch command.Do {
	case doPrepare:
		err = c.prepare()
	case doPublish:
		err = c.change(&answer.Changes)
	case doRate:
		err = c.rate(command.Every, command.For, &answer.Changes)
	case doMemory:
		answer.Memory, err = measure()
	case doVersions:
		answer.Versions, err = c.target.versions()
	case doProfile:
		err = c.profiling.toggle(command.Path)
	default:
		err = fmt.Errorf("command %q: not known", command.Do)
	}
	return answer, err
}

func (c *child) prepare() (err error) {
	c.sequence++
	c.publish, err = c.target.prepare(c.sequence)
	return err
}

// change publishes what was prepared.
func (c *child) change(changes *Changes) error {
	start := time.Now()
	if err := c.publish(); err != nil {
		return err
	}
	changes.Last = c.sequence
	changes.Starts = append(changes.Starts, start.UnixNano())
	changes.Blocked = append(changes.Blocked, time.Since(start))
	return nil
}

// rate publishes a change at each tick. A writer that was blocked for longer makes up for the ticks
// that are gone, as far as there is time.
func (c *child) rate(every, length time.Duration, changes *Changes) error {
	start := time.Now()
	for tick := range int(length / every) {
		time.Sleep(time.Until(start.Add(time.Duration(tick) * every)))
		if time.Since(start) >= length {
			return nil
		}
		if err := c.prepare(); err != nil {
			return err
		}
		if err := c.change(changes); err != nil {
			return err
		}
	}
	return nil
}
