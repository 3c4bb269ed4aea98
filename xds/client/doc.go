// Package client is an xDS client: it subscribes to resources over one aggregated stream, in the
// delta or the state-of-the-world protocol, comes back after an outage with what it already
// holds, and leaves it to its user to accept or refuse each update.
//
// It is what a relay or a test needs of a client, and no more: it does not decode resources, does
// not resolve what they refer to, and keeps of each accepted resource only the version. Expiry of
// resources with a TTL is up to the user, too.
//
//	c := client.New(conn, client.Options{Node: node, Handle: func(u *client.Update) {
//		for _, r := range u.Resources {
//			store(u.Type, r.Name, r.Body)
//		}
//		u.Accept()
//	}})
//	c.Subscribe(typeURL, client.Wildcard)
//	err := c.Run(ctx)
//
// Its one invariant: the versions it claims when it comes back are exactly those of updates that
// its user accepted.
package client
