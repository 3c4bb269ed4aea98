package dynamoengine_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/share"
	"github.com/doyen-mesh/doyen/internal/registry/share/dynamoengine"
	"github.com/doyen-mesh/doyen/internal/registry/share/sharetest"
	"github.com/doyen-mesh/doyen/test/dynamoserver"
	"github.com/doyen-mesh/doyen/test/redisserver"
)

func TestMain(m *testing.M) {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null"} {
		os.Setenv(name, value)
	}
	os.Exit(m.Run())
}

// open returns an engine at an address, in a table that exists.
func open(t testing.TB, address, prefix string) *dynamoengine.Engine {
	t.Helper()
	a, err := dynamoengine.ParseAddress(fmt.Sprintf("dynamodb://doyen?region=us-east-1&endpoint=http://%s&prefix=%s", address, prefix))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := dynamoengine.Open(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, err := engine.Versions(t.Context())
		if err == nil {
			return engine
		}
		if time.Now().After(deadline) {
			t.Fatalf("the table does not come to be: %v", err)
		}
	}
}

func TestConform(t *testing.T) {
	store := dynamoserver.Start(t)
	n := 0
	sharetest.Conform(t, func(t *testing.T) share.Engine {
		n++
		return open(t, store.Address(), fmt.Sprintf("test%d", n))
	})
}

// TestFaults: the store dies, its table is deleted, it hangs, or cannot be reached by one server.
func TestFaults(t *testing.T) {
	type world struct {
		store *dynamoserver.Server
		gate  *redisserver.Gate // between the store and the second server
	}
	for name, fault := range map[string]func(world) sharetest.Fault{
		"killed, and starts empty": func(w world) sharetest.Fault {
			return sharetest.Fault{Begin: w.store.Kill, End: w.store.Restart, Away: true}
		},
		"its table deleted": func(w world) sharetest.Fault {
			return sharetest.Fault{Begin: func() { w.store.Do("DeleteTable", `{"TableName": "doyen"}`) }, End: func() {}}
		},
		"paused": func(w world) sharetest.Fault {
			return sharetest.Fault{Begin: w.store.Pause, End: w.store.Resume, Away: true}
		},
		"partitioned": func(w world) sharetest.Fault {
			return sharetest.Fault{Begin: w.gate.Shut, End: w.gate.Open, Away: true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world{store: dynamoserver.Start(t)}
			w.gate = redisserver.StartGate(t, w.store.Address())
			addresses := []string{w.store.Address(), w.gate.Address(), w.store.Address()}
			sharetest.Survive(t, func(n int) share.Engine { return open(t, addresses[n], "doyen") }, fault(w))
		})
	}
}

// TestPropagation: changes reach another server within two seconds.
func TestPropagation(t *testing.T) {
	store := dynamoserver.Start(t)
	servers := []*sharetest.Server{sharetest.StartServer(t, open(t, store.Address(), "doyen")), sharetest.StartServer(t, open(t, store.Address(), "doyen"))}
	var took []time.Duration
	for n := range 20 {
		begin := time.Now()
		i := sharetest.Instance(n)
		sharetest.CheckIn(t, servers[n%2], i)
		sharetest.Eventually(t, "the other server has it", func() bool { return servers[1-n%2].Snapshot().Instance(i.Key) != nil })
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	t.Logf("from a check-in until another server has it: median %v, longest %v", took[len(took)/2], took[len(took)-1])
}

// TestItemsThatAreNone: what another program puts into the table does not keep an instance from being shared.
func TestItemsThatAreNone(t *testing.T) {
	store := dynamoserver.Start(t)
	engine := open(t, store.Address(), "doyen")
	entry := share.Entry{Key: "users 10.0.0.1:80", Rank: registry.Rank{1}, Value: []byte("a value")}
	for _, theirs := range []string{
		`"r": {"N": "5"}`, `"r": {"S": "z"}`, `"r": {"S": "` + strings.Repeat("f", 76) + `"}`, `"r": {"S": "` + strings.Repeat("F", 76) + `"}, "v": {"B": ""}`, `"other": {"S": "x"}`,
	} {
		// "kusers 10.0.0.1:80"
		store.Do("PutItem", `{"TableName": "doyen", "Item": {"p": {"S": "doyen/5"}, "s": {"B": "a3VzZXJzIDEwLjAuMC4xOjgw"}, `+theirs+`}}`)
		newer, err := engine.Write(t.Context(), 5, []share.Entry{entry})
		if err != nil || len(newer) > 0 {
			t.Errorf("%s: newer %v, error %v", theirs, newer, err)
		}
		if got, _, err := engine.Read(t.Context(), 5); err != nil || len(got) != 1 || got[0].Rank != entry.Rank || string(got[0].Value) != "a value" {
			t.Errorf("%s: the shard has %v, %v: want what was written", theirs, got, err)
		}
	}
	for _, theirs := range []string{`"n5": {"S": "x"}, "e5": {"S": "y"}`, `"n5": {"N": "7"}`, `"e5": {"N": "7"}, "n5": {"N": "7"}`} {
		store.Do("PutItem", `{"TableName": "doyen", "Item": {"p": {"S": "doyen/versions"}, "s": {"B": "AA=="}, `+theirs+`}}`)
		entry.Rank[1]++
		if _, err := engine.Write(t.Context(), 5, []share.Entry{entry}); err != nil {
			t.Errorf("%s: %v", theirs, err)
		}
		if now, err := engine.Versions(t.Context()); err != nil || now[5].Epoch == "" || now[5].Number == 0 {
			t.Errorf("%s: version %v, %v", theirs, now[5], err)
		}
	}
}

func TestAddresses(t *testing.T) {
	for url, want := range map[string]string{
		"dynamodb://doyen":                                       `DynamoDB table "doyen"`,
		"dynamodb://doyen?region=eu-west-1":                      `DynamoDB table "doyen" in eu-west-1`,
		"dynamodb://my.table_1/?endpoint=http://127.0.0.1:8000":  `DynamoDB table "my.table_1" at http://127.0.0.1:8000`,
		"dynamodb://doyen?create=false&prefix=staging&region=us": `DynamoDB table "doyen" in us`,
	} {
		if a, err := dynamoengine.ParseAddress(url); err != nil || a.String() != want {
			t.Errorf("%s: %v, %v, want %s", url, a, err, want)
		}
	}
	for _, url := range []string{
		"", "doyen", "dynamodb:doyen", "dynamodb://", "dynamodb://ab", "dynamodb://doyen/x", "dynamodb://doyen#x", "dynamodb://doyen?x=1", "dynamodb://doyen?region=", "dynamodb://doyen?create=yes",
		"dynamodb://doyen?endpoint=127.0.0.1", "dynamodb://doyen?endpoint=http://u:hunter2@a", "dynamodb://u:hunter2@doyen", "dynamodb://doyen?prefix=a/b", "dynamodb://doyen:80", "redis://doyen",
	} {
		if a, err := dynamoengine.ParseAddress(url); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %+v, %v, want an error without secrets", url, a, err)
		}
	}
}
