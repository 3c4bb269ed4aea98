// Package yamldoc reads YAML files strictly into Go values whose struct tags describe the format.
//
// [Read] splits a file into documents and reads their syntax. A [Reader] decodes a document into a struct:
// it refuses unknown fields, wrong types and YAML features that documents do not use, checks ranges, words
// and formats, and fills in defaults. [Describe] returns the same description of a format to whoever
// writes a schema or a reference page.
//
// A mistake is a [Problem] with a place. All problems of a file are collected, and one problem does not hide
// another. The package knows no particular kind of document, and does no I/O. Its one invariant: a
// [Document], a [Reader] and what they return never change after they have been returned, so that several
// goroutines can use them.
package yamldoc
