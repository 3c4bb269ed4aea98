// Package discovery serves the registry in the wire form of lyft/discovery, so that check-in jobs that were written
// for it work unchanged on a trusted network.
//
// A job knows no incarnations: each of its posts describes a host anew, merges its tags into those that are there, and
// renews the lease. An instance from here is marked by the tag [SourceTag]. What an agent registers belongs to that
// agent: posts about it are answered and change nothing.
//
// The form posts of this interface are what any web page may send anywhere, so requests that a browser made are
// refused, whatever they ask for.
//
// Its one invariant: it changes and removes only instances that came from here.
package discovery
