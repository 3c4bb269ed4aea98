package csds

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/xds"
)

// One client's words that are not UTF-8 must not make the whole answer unreadable.
func TestRejectionThatIsNotText(t *testing.T) {
	c := newClient(&xds.Node{ID: "n"})
	c.add(xds.StreamResources{Types: map[string][]xds.ResourceStatus{xds.ClusterType: {{
		Name: "a", Current: xds.NewResource(xds.ClusterType, "a", nil, xds.ResourceOptions{}), State: xds.Refused,
		Rejection: &xds.Rejection{Message: "bad name \xff"},
	}}}})
	config := c.config(true)
	if _, err := proto.Marshal(config); err != nil {
		t.Fatal(err)
	}
	if got := config.GenericXdsConfigs[0].ErrorState.Details; got != "bad name ?" {
		t.Errorf("details %q", got)
	}
}
