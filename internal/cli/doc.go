// Package cli is doyen's command line: one file for each command, and what all share.
//
// What a script reads is an interface: exit statuses, -o json and the environment's variables. A command
// prints its result on standard output and nothing else there; what went wrong goes to standard error as
// one line "doyen: error: ..." and, when it can be known, one line "doyen: hint: ..." with what would be
// right. The exit status is 0, 1 for problems and errors, 2 for a wrong use of the command line, and that
// of the application for doyen agent.
//
// The package decides nothing itself: it parses, calls the package that does the work, and prints. It
// never exits the process, which only main does.
package cli

//go:generate go test . -run TestReferenceIsCurrent -update
