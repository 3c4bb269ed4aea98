package api

import (
	"encoding/json"
	"testing"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// FuzzCheckIn decodes any body. What is taken must be a valid instance, and must come out
// again as it went in.
func FuzzCheckIn(f *testing.F) {
	f.Add([]byte(`{"ports":{"admin":9212},"zone":"a","tags":{"build":"4711"},"weight":50,"state":"starting","lease":"2m","identity":"spiffe://mesh/users"}`))
	f.Add([]byte(`{"tags":{"":null},"ports":{}}`))
	f.Add([]byte(`{"":0}`))
	f.Add([]byte(`{"tags":{"a":"\ud800"},"lease":"1e3s"}`))
	key := registry.Key{Service: "users"}
	if err := key.Address.UnmarshalText([]byte("10.0.0.7:80")); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		members, err := readObject(body)
		if err != nil {
			return
		}
		i, problems := decodeInstance(key, members)
		if len(problems) > 0 {
			for _, p := range problems {
				if p.Field == "" || p.Error == "" || p.Expected == "" {
					t.Errorf("a problem says too little: %+v", p)
				}
			}
			return
		}
		if found := i.Problems(); len(found) > 0 {
			t.Fatalf("an invalid instance is taken: %v", found)
		}
		again, err := json.Marshal(CheckIn{i.Ports, i.Zone, i.Tags, i.Weight, i.State, i.Reason, Duration(i.Lease), i.Identity, i.Proxy, i.Incarnation, i.Sequence})
		if err != nil {
			t.Fatal(err)
		}
		members, err = readObject(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if back, problems := decodeInstance(key, members); len(problems) > 0 || !back.Equal(&i) || back.Incarnation != i.Incarnation || back.Sequence != i.Sequence {
			t.Errorf("%s became %+v, %v, want %+v", again, back, problems, i)
		}
	})
}
