// Package api serves the registry as JSON over HTTP: instances check in, renew, leave, are
// listed and watched; paused expiry is shown and ended.
//
// It holds the JSON form too, which client shares. The form is an interface: fields are
// added, never renamed or given another meaning. What comes in is read strictly, so that a
// misspelt field is an error and not a silent default; whoever reads answers ignores fields
// it does not know.
//
// The package must never change state on GET. Its one invariant: no check-in is answered
// before the registry accepted it.
package api
