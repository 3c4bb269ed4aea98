// Package config holds the documents in which people describe a mesh: Mesh, Service, Edge and
// External, one file of this package for each kind.
//
// Documents are read from a folder of YAML in three steps. Read reads the files as bytes. Parse decodes them strictly,
// fills in defaults and checks references between documents. Resolve decides the settings of one call, which several
// documents may set.
//
// A mistake in a document is a Problem with a position in a file. All problems are collected, and none hides another. An
// error is returned only if the files cannot be read.
//
// The Go types define the format. Their struct tags (see package yamldoc) drive the decoder, the JSON Schema and the
// reference page, whose text is the doc comments of the fields. The package must never do network I/O. Its one
// invariant: a value that it has returned never changes.
package config
