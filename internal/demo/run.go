package demo

import "context"

// Run shows the demo until ctx ends.
func Run(ctx context.Context, o Options) error { return nil }
