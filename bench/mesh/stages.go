package mesh

import (
	"context"
	"errors"
)

// instancesOfEach is the number of instances of each service of the usual mesh.
const instancesOfEach = 10

// thousand is the usual mesh, without proxies.
func thousand(ctx context.Context, o Options) (*scene, error) {
	return o.filled(ctx, shape{services: 1000, calls: 10, routes: 1000}, instancesOfEach)
}

// mesh is a mesh with another number of services.
func mesh(services int) func(context.Context, Options) (*scene, error) {
	return func(ctx context.Context, o Options) (*scene, error) {
		return o.filled(ctx, shape{services: services, calls: 10}, 1)
	}
}

func bigService(ctx context.Context, o Options) (*scene, error) {
	return o.filled(ctx, shape{services: 1}, 10_000)
}

// files returns a stage with a folder of so many files and without proxies.
func files(count int) func(context.Context, Options) (*scene, error) {
	return func(ctx context.Context, o Options) (*scene, error) {
		return o.filled(ctx, shape{services: count}, 0)
	}
}

func (o Options) filled(ctx context.Context, s shape, perService int) (*scene, error) {
	c, err := o.open(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := c.fill(ctx, perService); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// proxies connects a sidecar for each service, unless they are there.
func (c *scene) proxies() error {
	if c.sidecars != nil {
		return nil
	}
	var err error
	if c.sidecars, err = startSidecars(); err != nil {
		return err
	}
	return c.sidecars.connect(group{Address: c.server.GRPC, Count: c.services, Services: c.services})
}
