// Package api serves the registry as JSON over HTTP: checking in, renewing, leaving, listing and watching instances,
// and showing and ending pauses of expiry.
//
// It also defines the JSON form, which package client uses. The form is stable: fields are added, and never renamed
// or given another meaning. Requests are decoded strictly, so that a misspelled field is an error and not a silent
// default. Readers of answers ignore fields that they do not know.
//
// The package must never change state on GET. Its one invariant: no check-in is answered before the registry has
// accepted it.
package api
