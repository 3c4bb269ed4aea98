package fleet

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/doyen-mesh/doyen/bench/workload"
)

// client is one xDS client: what it asked for, what it holds, and the response that is arriving.
type client struct {
	stream
	fleet  *Fleet
	number int
	names  []byte // its subscription to assignments, as fields of a request

	clusters, assignments held
	sequences             []uint32 // by assignment: the change that made what is held
	subscribed            bool     // to assignments
	synced                bool

	response response
}

// response is what is known of the response that is arriving.
type response struct {
	nonce, version []byte
	ofClusters     bool // its type
	clusters       int  // of them
	fresh          []arrival
	covered        int
}

// begin sends the first request of the stream.
func (c *client) begin(conn *connection) {
	node := c.fleet.protocol.node(c.number)
	if c.clusters.want == 0 {
		c.subscribed = true
		c.send(conn, node, c.fleet.assignmentURL, c.names, nil)
		return
	}
	c.send(conn, node, c.fleet.clusterURL, nil, nil)
}

// send sends a request whose fields are in the order of their numbers, as every encoder writes them.
func (c *client) send(conn *connection, before, typeURL, names, after []byte) {
	if c.fleet.protocol == SotW {
		conn.send(&c.stream, before, names, typeURL, after)
		return
	}
	conn.send(&c.stream, before, typeURL, names, after)
}

// field takes a field of a response.
func (c *client) field(number protowire.Number, value []byte) error {
	f := &c.fleet.fields
	switch number {
	case f.resources:
		return c.resource(value)
	case f.responseTypeURL:
		c.response.ofClusters = string(value) == workload.ClusterType
	case f.responseNonce:
		c.response.nonce = append(c.response.nonce[:0], value...)
	case f.responseVersion:
		c.response.version = append(c.response.version[:0], value...)
	case f.removed:
		return c.remove(value)
	}
	return nil
}

func (c *client) resource(value []byte) error {
	scan := scanSotW
	if c.fleet.protocol == Delta {
		scan = scanDelta
	}
	r, err := scan(value)
	if err != nil {
		return err
	}
	index := workload.Index(r.name)
	if index < 0 || index >= c.fleet.shape.Clusters {
		return fmt.Errorf("client %d: resource %q was never published", c.number, r.name)
	}
	sum := c.fleet.summer.sum(r.name, r.version, r.body)
	switch string(r.typeURL) {
	case workload.ClusterType:
		c.cluster(index, sum)
		return nil
	case workload.AssignmentType:
		return c.assignment(index, sum, r.body)
	}
	return fmt.Errorf("resource %q of type %q, which was not asked for", r.name, r.typeURL)
}

// cluster takes a cluster. In state-of-the-world a response holds all there are, so its first
// one empties the set.
func (c *client) cluster(index int, sum uint64) {
	if c.response.clusters == 0 && c.fleet.protocol == SotW {
		c.clusters.clear()
	}
	c.response.clusters++
	c.clusters.put(index, sum)
}

func (c *client) assignment(index int, sum uint64, body []byte) error {
	sequence, ok := workload.Sequence(body)
	if !ok {
		return fmt.Errorf("assignment %d does not end with a weight", index)
	}
	was := c.sequences[index]
	c.sequences[index] = sequence
	if c.assignments.put(index, sum) && sequence > was {
		c.response.fresh = append(c.response.fresh, arrival{was: was, is: sequence})
		c.response.covered += c.fleet.shape.ChangesUpTo(index, sequence) - c.fleet.shape.ChangesUpTo(index, was)
	}
	return nil
}

// remove takes the name of a removed resource. Nothing is removed in the course of a comparison,
// so which type it had is not known: both lose it, and the comparison with the source tells.
func (c *client) remove(name []byte) error {
	index := workload.Index(name)
	if index < 0 || index >= c.fleet.shape.Clusters {
		return fmt.Errorf("client %d: removed resource %q was never published", c.number, name)
	}
	c.clusters.remove(index)
	c.assignments.remove(index)
	return nil
}

// end acknowledges a complete response and, after the first clusters, subscribes to assignments.
func (c *client) end(conn *connection) error {
	r := &c.response
	if r.ofClusters && c.fleet.protocol == SotW && r.clusters != c.clusters.count {
		return fmt.Errorf("client %d: a response with %d clusters names %d", c.number, r.clusters, c.clusters.count)
	}
	c.acknowledge(conn)
	if c.clusters.complete() && !c.subscribed {
		c.subscribed = true
		c.send(conn, nil, c.fleet.assignmentURL, c.names, nil)
	}
	c.note(conn)
	r.clusters = 0
	return nil
}

func (c *client) acknowledge(conn *connection) {
	f := &c.fleet.fields
	fields := conn.fields[:0]
	if f.version != 0 {
		fields = appendField(fields, f.version, c.response.version)
	}
	version := len(fields)
	fields = appendField(fields, f.nonce, c.response.nonce)
	conn.fields = fields

	typeURL, names := c.fleet.assignmentURL, c.names
	if c.response.ofClusters {
		typeURL = c.fleet.clusterURL
	}
	if c.response.ofClusters || c.fleet.protocol == Delta {
		names = nil // only state-of-the-world repeats the subscription in each request
	}
	c.send(conn, fields[:version], typeURL, names, fields[version:])
}

// note records when the changes of a response came, and tells the fleet how far the client is.
func (c *client) note(conn *connection) {
	r := &c.response
	if len(r.fresh) > 0 {
		conn.arrivals.add(time.Now().UnixNano(), r.fresh)
		c.fleet.covered.Add(int64(r.covered))
		r.fresh, r.covered = r.fresh[:0], 0
	}
	if !c.synced && c.clusters.complete() && c.assignments.complete() {
		c.synced = true
		c.fleet.synced.Add(1)
	}
}
