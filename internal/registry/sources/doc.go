// Package sources fills the registry from where instances are listed and do not check in: a file, and DNS.
//
// Each source lists a set, and what disappears from the set leaves the registry. A source that cannot be read, or that
// makes no sense, says nothing new: its last set stays, also over a restart of the server.
//
// A new kind of source is one file here and one line in the server. Its one invariant: no failure of a source removes
// an instance.
package sources
