// Package cli is doyen's command line: one file for each command, and what they share.
//
// Exit statuses, -o json and the environment variables are a stable interface for scripts. A command prints its
// result, and nothing else, on standard output. An error goes to standard error as one line "doyen: error: ...",
// followed by one line "doyen: hint: ..." where a remedy is known. The exit status is 0, 1 for problems and errors, 2
// for a wrong command line, and that of the application for doyen agent.
//
// The package makes no decisions: it parses, calls the package that does the work, and prints. Its one invariant:
// every line for a person passes package printable, so text from outside cannot forge output. Only main exits the
// process.
package cli

//go:generate go test . -run TestReferenceIsCurrent -update
