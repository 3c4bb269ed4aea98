// Package secrets reads the certificates that documents name from files on this host, for the xDS clients of the agent.
//
// A server sends the names of files. The relay gives its clients, over the stream that they have anyway, the content in
// place of the names. This package looks at the files, and tells the relay what is in them.
//
// Files are found to be other files by looking at them five times a second, not by events: that also notices a file
// behind a chain of links of which any is replaced, a folder that appears later, and file systems without events. What
// has changed is read once it has not changed for a moment. It is used if the files are whole and belong together; else
// what was used before stays in use. So a pair of certificate and key that is replaced file by file is never half used.
//
// Content of files is in memory and on the relay's socket only: never in logs, errors, status or files of the agent.
//
// The package's one invariant: a client that has had a usable certificate keeps having one.
package secrets
