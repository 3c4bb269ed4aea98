// Package report writes the results: tables for people, JSON for programs, plots, and the page of the documentation.
package report
