// Package traffic sends steady traffic and counts what became of it, for the demo and for tests that inject faults.
package traffic
