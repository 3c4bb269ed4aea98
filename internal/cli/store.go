package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/registry/share/redisengine"
	"github.com/doyen-mesh/doyen/internal/server"
)

// passwordVariable holds the store's password. It has no flag, because anyone can read command lines.
const passwordVariable = "DOYEN_STORE_PASSWORD"

// storeFlags say where servers share instances.
type storeFlags struct{ url, passwordFile string }

func (s *storeFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.url, "store", "", "`URL` of a Redis or Valkey in which servers share instances: redis://HOST:PORT, rediss:// with TLS, redis+sentinel:// or redis+cluster:// (default: not shared)")
	flags.StringVar(&s.passwordFile, "store-password", "", "`file` with the password of the store (or $"+passwordVariable+")")
	fromEnvironment(cmd, "store", "DOYEN_STORE")
	fromEnvironment(cmd, "store-password", "DOYEN_STORE_PASSWORD_FILE")
}

// open sets the store of a server; none without a URL.
func (s *storeFlags) open(i Invocation, o *server.Options) error {
	if s.url == "" {
		return nil
	}
	address, err := redisengine.ParseAddress(s.url)
	if err != nil {
		return usage("for example: --store redis://10.0.0.5:6379", "--store: %w", err)
	}
	password := i.Getenv(passwordVariable)
	if s.passwordFile != "" {
		text, err := os.ReadFile(s.passwordFile)
		if err != nil {
			return fmt.Errorf("--store-password: %w", err)
		}
		password = strings.TrimRight(string(text), "\r\n")
	}
	o.Store = &server.Store{Address: address, Password: redisengine.Password(password)}
	return nil
}
