// Command doyen runs a service mesh of Envoy proxies and gRPC programs from a folder of YAML.
package main

import (
	"os"

	"github.com/doyen-mesh/doyen/internal/cli"
)

// version is set by the linker.
var version string

func main() { os.Exit(cli.Main(version)) }
