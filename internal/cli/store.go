package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/registry/share/dynamoengine"
	"github.com/doyen-mesh/doyen/internal/registry/share/redisengine"
	"github.com/doyen-mesh/doyen/internal/server"
)

// storeFlags say where servers share instances. Passwords have no flags, because anyone can read command lines.
type storeFlags struct{ url, passwordFile, sentinelFile string }

func (s *storeFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.url, "store", "", "`URL` of the store in which servers share instances: redis://HOST:PORT, rediss:// with TLS, redis+sentinel:// or redis+cluster:// for Redis or Valkey, dynamodb://TABLE for DynamoDB (default: not shared)")
	flags.StringVar(&s.passwordFile, "store-password", "", "`file` with the password of the store (or $DOYEN_STORE_PASSWORD)")
	flags.StringVar(&s.sentinelFile, "store-sentinel-password", "", "`file` with the password of the Sentinels, if they want one (or $DOYEN_STORE_SENTINEL_PASSWORD)")
	fromEnvironment(cmd, "store", "DOYEN_STORE")
	fromEnvironment(cmd, "store-password", "DOYEN_STORE_PASSWORD_FILE")
	fromEnvironment(cmd, "store-sentinel-password", "DOYEN_STORE_SENTINEL_PASSWORD_FILE")
}

// passwords reads the secrets, each from its file or its variable.
func (s *storeFlags) passwords(i Invocation) (passwords redisengine.Passwords, err error) {
	for _, secret := range []struct {
		into                 *redisengine.Password
		flag, file, variable string
	}{
		{&passwords.Store, "store-password", s.passwordFile, "DOYEN_STORE_PASSWORD"},
		{&passwords.Sentinel, "store-sentinel-password", s.sentinelFile, "DOYEN_STORE_SENTINEL_PASSWORD"},
	} {
		text := i.Getenv(secret.variable)
		if secret.file != "" {
			content, err := os.ReadFile(secret.file)
			if err != nil {
				return passwords, fmt.Errorf("--%s: %w", secret.flag, err)
			}
			text = strings.TrimRight(string(content), "\r\n")
		}
		*secret.into = redisengine.Password(text)
	}
	return passwords, nil
}

// storeEngine is a kind of store.
type storeEngine struct {
	schemes []string // of its URLs
	example string
	// open returns the store at a URL, or what is wrong with the URL.
	open func(url string, passwords redisengine.Passwords) (*server.Store, error)
}

func storeEngines() []storeEngine {
	return []storeEngine{
		{redisengine.Schemes, "redis://10.0.0.5:6379", redisStore},
		{dynamoengine.Schemes, "dynamodb://doyen?region=eu-west-1", dynamoStore},
	}
}

func redisStore(url string, passwords redisengine.Passwords) (*server.Store, error) {
	address, err := redisengine.ParseAddress(url)
	if err != nil {
		return nil, err
	}
	return &server.Store{Address: address.String(), Open: func(context.Context) (server.Engine, error) {
		return redisengine.Open(address, passwords)
	}}, nil
}

func dynamoStore(url string, _ redisengine.Passwords) (*server.Store, error) {
	address, err := dynamoengine.ParseAddress(url)
	if err != nil {
		return nil, err
	}
	return &server.Store{Address: address.String(), Open: func(ctx context.Context) (server.Engine, error) {
		return dynamoengine.Open(ctx, address)
	}}, nil
}

// open sets the store of a server; none without a URL.
func (s *storeFlags) open(i Invocation, o *server.Options) error {
	if s.url == "" {
		return nil
	}
	passwords, err := s.passwords(i)
	if err != nil {
		return err
	}
	engines := storeEngines()
	scheme, _, _ := strings.Cut(s.url, ":")
	at := max(0, slices.IndexFunc(engines, func(e storeEngine) bool { return slices.Contains(e.schemes, scheme) }))
	if o.Store, err = engines[at].open(s.url, passwords); err != nil {
		return usage("for example: --store "+engines[at].example, "--store: %w", err)
	}
	return nil
}
