package api

import "time"

// Status answers GET /v1/status: the whole mesh as one server sees it.
type Status struct {
	Server Server  `json:"server"`
	Config Config  `json:"config"`
	Expiry []Doubt `json:"expiry"`          // paused expiry, by service; empty when leases end as they should
	Store  *Store  `json:"store,omitempty"` // where servers share instances; absent when this one does not
	// InstancesFile is the file that lists instances; absent when the server has none.
	InstancesFile *InstancesFile `json:"instancesFile,omitempty"`

	Summary  Summary   `json:"summary"`
	Findings []Finding `json:"findings"` // what is wrong; empty when nothing is
	Proxies  []Proxy   `json:"proxies"`  // by node and client
}

// Summary counts instances and proxies.
type Summary struct {
	Instances Instances    `json:"instances"`
	Proxies   ProxySummary `json:"proxies"`
}

// ProxySummary counts proxies.
type ProxySummary struct {
	Connected int `json:"connected"`
	InSync    int `json:"inSync"` // of those connected
	// Missing are expected and not connected: the proxies of registered instances, and one for each Edge
	// document that no connected proxy runs.
	Missing int `json:"missing"`
}

// Finding is one thing that is wrong and does not end by itself, or that has lasted too long.
type Finding struct {
	Kind    FindingKind `json:"kind"`
	Subject string      `json:"subject"` // what it is about: a node ID, a service, an edge, a revision, a folder
	Message string      `json:"message"`
	Hint    string      `json:"hint,omitempty"` // what to do about it
	Since   time.Time   `json:"since,omitzero"`
}

// FindingKind says what sort of finding it is. New kinds may be added.
type FindingKind string

// The kinds of findings, in the order in which status lists them.
const (
	DocumentsUnreadable FindingKind = "documents-unreadable"   // the folder cannot be read
	DocumentsRefused    FindingKind = "documents-refused"      // the folder has problems
	DocumentsHeld       FindingKind = "documents-held"         // a change waits for a person
	InstancesRefused    FindingKind = "instances-file-refused" // what is in the file that lists instances is not in force
	StoreAway           FindingKind = "store-away"             // the store in which servers share instances does not answer
	StoreFaulty         FindingKind = "store-faulty"           // a key or an entry of that store cannot be used
	ExpiryPaused        FindingKind = "expiry-paused"          // too many instances stopped checking in at once
	ServiceUnhealthy    FindingKind = "service-unhealthy"      // none of a service's instances is healthy
	EdgeMissing         FindingKind = "edge-missing"           // no proxy runs an Edge document
	ProxyMissing        FindingKind = "proxy-missing"          // a registered instance's proxy is not connected
	DuplicateNode       FindingKind = "duplicate-node"         // several clients use one node ID
	ProxyUnconfigured   FindingKind = "proxy-unconfigured"     // a connected proxy is sent nothing
	ProxyOutdated       FindingKind = "proxy-outdated"         // the documents cannot be compiled for a proxy
	ProxyRejected       FindingKind = "proxy-rejected"         // a proxy rejected a change
	ProxyPending        FindingKind = "proxy-pending"          // a proxy has not acknowledged a change for too long
)

// Server is the server that answered.
type Server struct {
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Revision string    `json:"revision"` // what it publishes now
}

// Config is the state of the folder of documents.
type Config struct {
	Revision string    `json:"revision"`       // the last set of documents that was accepted
	Problems []Problem `json:"problems"`       // why what stands in the folder now is not in force; empty when it is
	Held     *Held     `json:"held"`           // a valid change that waits for a person; nil when none
	Error    string    `json:"error"`          // why the folder cannot be read; "" when it can
	Folder   string    `json:"folder"`         // where the documents are
	Since    time.Time `json:"since,omitzero"` // when Revision was accepted
}

// Store is the state of the store in which servers share instances.
type Store struct {
	Address   string    `json:"address"`
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since,omitzero"`    // of Connected
	Error     string    `json:"error,omitempty"`   // of the last call, when that failed
	Unwritten int       `json:"unwritten"`         // changes at this server that are not in the store yet
	Refused   uint64    `json:"refused,omitempty"` // entries of the store that are not valid
	Compared  time.Time `json:"compared,omitzero"` // when the server last compared what it has with the store
	// Faults are keys and entries of the store that could not be used lately; at most 20 of them.
	Faults []StoreFault `json:"faults,omitempty"`
}

// StoreFault is a key or an entry of the store that cannot be used as it is. Everything else is in use.
type StoreFault struct {
	Key     string    `json:"key"`
	Problem string    `json:"problem"`
	Hint    string    `json:"hint,omitempty"`
	Since   time.Time `json:"since"`
}

// InstancesFile is the state of the file that lists instances which do not check in.
type InstancesFile struct {
	Path    string    `json:"path"`
	Problem string    `json:"problem,omitempty"` // why what is in the file now is not in force; "" when it is
	Since   time.Time `json:"since,omitzero"`    // of Problem
}

// Problem is one mistake in a document.
type Problem struct {
	File     string `json:"file"` // relative to the folder
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Owner    string `json:"owner,omitempty"`
	Message  string `json:"message"`            // what is wrong
	Expected string `json:"expected,omitempty"` // what may stand there
	Hint     string `json:"hint,omitempty"`     // the nearest right name, or what to do
}

// Held is a change that would remove most of the mesh. `doyen accept REVISION` lets it through.
type Held struct {
	Revision string    `json:"revision"`
	Removes  []string  `json:"removes"` // what would go, by kind and name: "service users"
	Reason   string    `json:"reason"`  // the bound it goes beyond
	Since    time.Time `json:"since,omitzero"`
}

// Doubt is a service many of whose instances stopped checking in at once. They stay registered until a person decides
// or the time limit ends. `doyen expiry SERVICE` with --expire or --keep ends the pause.
type Doubt struct {
	Service   string    `json:"service"`
	Instances []string  `json:"instances"` // address:port of those in doubt
	Of        int       `json:"of"`        // how many instances the service has in all
	Since     time.Time `json:"since"`
	Until     time.Time `json:"until"` // when expiry resumes by itself
}

// ProxyState is the state of a proxy. New states may be added.
type ProxyState string

// The states of a proxy.
const (
	InSync       ProxyState = "in-sync"      // it has acknowledged everything there is for it
	Pending      ProxyState = "pending"      // it is sent a change, or a change waits for another
	Rejected     ProxyState = "rejected"     // it rejected a change and keeps what it had
	Outdated     ProxyState = "outdated"     // the newest documents cannot be compiled for it
	Unconfigured ProxyState = "unconfigured" // it is sent nothing, and keeps what it has
	Missing      ProxyState = "missing"      // it is expected and not connected
	Left         ProxyState = "left"         // it disconnected a short while ago and is not expected
)

// Proxy is one xDS client: connected now, expected, or seen a short while ago.
type Proxy struct {
	Node      string    `json:"node"`
	Client    string    `json:"client,omitempty"` // address of a connected client: IP:port of an Envoy, IP of a gRPC program
	Role      string    `json:"role"`             // sidecar, edge or proxyless
	Service   string    `json:"service,omitempty"`
	Edge      string    `json:"edge,omitempty"`
	Zone      string    `json:"zone,omitempty"`
	Network   string    `json:"network,omitempty"` // absent: the mesh's default network
	Kind      string    `json:"kind"`              // envoy or grpc
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since,omitzero"` // of Connected
	InSync    bool      `json:"inSync"`         // it has acknowledged all there is for it
	// State is the state of the proxy as a whole, and StateSince since when it has it; absent for a proxy in sync.
	State      ProxyState `json:"state"`
	StateSince time.Time  `json:"stateSince,omitzero"`
	Why        string     `json:"why"`      // why it is not in sync, in one sentence; "" when it is
	Revision   string     `json:"revision"` // of the documents its configuration was made from
	// Unreachable are the targets that its manifest calls and this kind of client cannot reach; absent if there are
	// none.
	Unreachable []Unreachable `json:"unreachable,omitempty"`
	// NotApplied are the settings for its calls that this kind of client does not support; absent if there are none.
	NotApplied []NotApplied `json:"notApplied,omitempty"`
	// Types is keyed by clusters, endpoints, listeners, routes, virtualHosts, secrets or runtime.
	Types map[string]TypeStatus `json:"types"`
}

// Unreachable is a call of a manifest that a client cannot make.
type Unreachable struct {
	To     string `json:"to"` // by the host that it is called by: users, admin.users
	Why    string `json:"why"`
	Origin string `json:"origin"` // file:line:column of the call
}

// NotApplied is a setting that a client does not support.
type NotApplied struct {
	To      string `json:"to"`      // as in Unreachable
	Setting string `json:"setting"` // as in documents: retries.perTryTimeout
	Why     string `json:"why"`
	Origin  string `json:"origin"` // file:line:column where it is set
}

// TypeStatus is the state of one type of resource on a proxy.
type TypeStatus struct {
	Sent         string     `json:"sent"`         // version sent last; "" when none
	Acknowledged string     `json:"acknowledged"` // version acknowledged last
	Rejected     *Rejection `json:"rejected,omitempty"`
	Held         []Hold     `json:"held,omitempty"`
}

// Rejection is a change that a proxy rejected. It is shown until the proxy accepts something newer.
type Rejection struct {
	Message string    `json:"message"`         // the proxy's message
	Names   []string  `json:"names,omitempty"` // of the resources that were in the rejected response and are not accepted yet
	Version string    `json:"version"`
	Time    time.Time `json:"time"`
	Origins []string  `json:"origins,omitempty"` // file:line:column of the documents that caused it
}

// Hold is a change that has not been sent yet.
type Hold struct {
	Change   string    `json:"change"`   // type and name: "route users"
	WaitsFor []string  `json:"waitsFor"` // likewise
	Since    time.Time `json:"since"`
	Reason   string    `json:"reason"`
}
