package sharetest_test

import (
	"testing"

	"github.com/doyen-mesh/doyen/internal/registry/share"
	"github.com/doyen-mesh/doyen/internal/registry/share/sharetest"
)

func TestMemory(t *testing.T) {
	sharetest.Conform(t, func(*testing.T) share.Engine { return sharetest.NewMemory() })
}
