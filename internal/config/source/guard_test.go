package source

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Files that go one by one, in a loop or on a failing disk, are held as if they went together.
func TestRemovalOneByOneIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []string
		for i := range 20 {
			all = append(all, fmt.Sprintf("s%02d", i))
		}
		f := newFolder(t, all...)
		source := f.open()
		for _, name := range all[:11] {
			f.remove(name + ".yaml")
			wait()
		}
		expect(t, source, strings.Join(all[10:], " "))
		held := source.State().Held
		if held == nil || held.Reason != "it would leave 9 of the 20 services that there were in the last hour" {
			t.Fatalf("held %+v: want the removal of the eleventh", held)
		}

		again, err := Open(f.options()) // a restart forgets nothing
		f.check(err)
		if held := again.State().Held; held == nil {
			t.Error("nothing is held after a restart")
		}

		f.check(source.Accept(held.Snapshot.Revision))
		f.remove("s11.yaml", "s12.yaml")
		wait()
		expect(t, source, strings.Join(all[13:], " ")) // a person's decision is the new measure
	})
}

func TestSlowRemovalIsNotHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t, "a", "b", "c", "d")
		source := f.open()
		for _, name := range []string{"a", "b", "c"} {
			time.Sleep(guardWindow)
			f.remove(name + ".yaml")
			wait()
		}
		expect(t, source, "d")
	})
}

// Services that are replaced one by one leave as many as there were.
func TestReplacedServicesAreNotHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t, "a", "b", "c", "d")
		source := f.open()
		for _, name := range []string{"a", "b", "c", "d"} {
			f.write(name+".yaml", manifest(name+"-new"))
			wait()
		}
		expect(t, source, "a-new b-new c-new d-new")
	})
}

// A manifest that was given another name while instances run under the old one would leave callers with nobody.
func TestRenamedServiceWithInstancesIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t, "cart", "store")
		running := map[mesh.ServiceName]int{"store": 1}
		f.instances = func(name mesh.ServiceName) int { return running[name] }
		source := f.open()
		f.write("store.yaml", manifest("depot"))
		wait()
		expect(t, source, "cart store")
		want := "it would remove service store, which has 1 instance, and add depot, which has none"
		if held := source.State().Held; held == nil || held.Reason != want {
			t.Fatalf("held %+v: want because %s", held, want)
		}

		f.service("store") // both at a time is how a service is renamed
		f.write("depot.yaml", manifest("depot"))
		wait()
		expect(t, source, "cart depot store")
		f.remove("store.yaml")
		wait()
		expect(t, source, "cart depot")
	})
}
