package registry

import (
	"net/netip"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Doubt is a pause of expiry: so many of a service's instances (or of the mesh's) stopped
// checking in at once that the registry rather doubts its own sight. They stay until they
// check in, an operator decides, or the bound is reached.
type Doubt struct {
	Service   mesh.ServiceName
	Instances []netip.AddrPort // those in doubt, sorted
	Of        int              // how many instances the service has in all
	Mesh      bool             // too many of the whole mesh, not of this service, are the cause
	Since     time.Time
	Until     time.Time // when expiry resumes by itself
}

// Decision is how an operator ends a doubt.
type Decision string

// The two ways to end a doubt.
const (
	Expire Decision = "expire" // they are dead: remove them now
	Keep   Decision = "keep"   // they live: each gets a whole lease from now on
)
