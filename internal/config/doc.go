// Package config holds the documents in which people describe a mesh: Mesh, Service, Edge and
// External, one file of this package for each kind.
//
// Documents are read from a folder of YAML in three steps. Read takes the files as bytes; Parse
// decodes them strictly, fills in defaults and checks what documents say of each other; and Resolve
// decides, for one call, which of the values that documents at several levels ask for holds.
//
// A mistake in a document is a Problem: it has a place, all of them are collected, and one never hides
// another. An error is returned only where the files themselves cannot be had.
//
// The Go types are the one source of truth of the format. Their struct tags (see package yamldoc) drive the
// decoder, the JSON Schema and the reference page, whose prose is the fields' doc comments. The
// package must never do network I/O. Its one invariant: a value that it has handed out never changes.
package config
