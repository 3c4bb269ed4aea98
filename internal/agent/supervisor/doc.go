// Package supervisor runs the two programs of an instance, its application and its Envoy: it starts them, starts an
// Envoy again that has ended, and ends both.
//
// It must never end a program for what a server says or does not say. Its one invariant: no program outlives the
// Run that started it.
package supervisor
