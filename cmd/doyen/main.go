// Command doyen runs a service mesh of Envoy proxies and gRPC programs from a folder of YAML.
package main

import (
	"os"
	"runtime"

	"github.com/doyen-mesh/doyen/internal/cli"
)

// version is set by the linker.
var version string

// The main goroutine stays on the main thread, the only one that is left when an agent replaces its own program.
func init() { runtime.LockOSThread() }

func main() { os.Exit(cli.Main(version)) }
