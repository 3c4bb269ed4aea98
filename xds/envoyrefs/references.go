package envoyrefs

import (
	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/xds"
)

// Of returns the references of m.
func Of(m proto.Message) []xds.Ref { panic("skeleton") }
