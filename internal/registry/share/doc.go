// Package share lets servers share instances through an existing engine such as Redis.
//
// Servers meet in an [Engine], which stores entries and understands none of them. A [Sharer] connects a
// server's registry with it: what changes here is written, what others write is merged, and both sides are
// compared now and then, so that whatever got lost between them is found.
//
// The engine is never waited for: a check-in and a snapshot need the registry alone. While the engine is
// away, or answers slowly, changes wait in the registry, one record a key.
//
// Everything that is read from an engine may be wrong or hostile: it is bounded, and checked before it
// reaches the registry.
//
// The package's one invariant: a record that the registry has, and that is later than what the engine has,
// is written to the engine at the latest when both are compared next.
package share
