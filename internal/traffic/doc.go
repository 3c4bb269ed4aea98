// Package traffic sends steady traffic and counts the results, for the demo and for tests that inject faults.
package traffic
