//go:build !linux

package source

// isClosed reports whether the system vouches that nobody has a file open for writing, which this one cannot.
func isClosed(string) bool { return false }
