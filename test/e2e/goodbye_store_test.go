package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/doyen-mesh/doyen/test/dynamoserver"
	"github.com/doyen-mesh/doyen/test/redisserver"
)

// TestGoodbyeWhileTheStoreIsAway: a server takes a goodbye while the store is away, and is killed and started before
// the store is back. The other server, which knows the instance, then learns that it has left.
func TestGoodbyeWhileTheStoreIsAway(t *testing.T) {
	t.Run("Redis", func(t *testing.T) {
		store := redisserver.Start(t)
		goodbyeWhileTheStoreIsAway(t, store, "redis://"+store.Address())
	})
	t.Run("DynamoDB", func(t *testing.T) {
		store := dynamoserver.Start(t)
		goodbyeWhileTheStoreIsAway(t, store, "dynamodb://doyen?region=us-east-1&endpoint=http://"+store.Address(), "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b")
	})
}

// awayStore is a store that is killed, and comes back with nothing.
type awayStore interface {
	Kill()
	Restart()
}

func goodbyeWhileTheStoreIsAway(t *testing.T, store awayStore, url string, environment ...string) {
	documents := map[string]string{"mesh.yaml": "kind: Service\nname: users\nports: 80\n"}
	begin := func() *mesh { return newMeshWith(t, documents, environment, "--store", url) }
	first, second := begin(), begin()
	first.storeIs(true)
	second.storeIs(true)
	call := func(m *mesh, method, address string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+m.http+"/v1/instances/users/"+address, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode >= 300 {
			t.Fatalf("%s of %s: %s", method, address, response.Status)
		}
	}
	const leaves, stays = "127.0.0.1:9301", "127.0.0.1:9302"
	for _, address := range []string{leaves, stays} {
		call(first, http.MethodPut, address)
		eventually(t, "the second server has the instance", func() string { return second.stateAt("users", address, "healthy") })
	}
	store.Kill()
	second.storeIs(false)
	call(first, http.MethodDelete, leaves)
	first.server.kill()
	first.startServer()
	if second.stateAt("users", leaves, "healthy") != "" {
		t.Fatal("the second server cannot know of the goodbye yet")
	}
	store.Restart()
	first.storeIs(true)
	second.storeIs(true)
	for n, m := range []*mesh{first, second} {
		eventually(t, fmt.Sprintf("server %d knows of the goodbye", n), func() string {
			if m.stateAt("users", leaves, "healthy") == "" {
				return "it has the instance"
			}
			return m.stateAt("users", stays, "healthy")
		})
	}
}
