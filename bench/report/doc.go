// Package report writes what was measured: tables for people, JSON for programs, a plot, and the
// page of the documentation.
package report
