// Package fleet is the load generator: thousands of xDS clients that need so little CPU time that they do not distort
// the measurement.
//
// A client is one ADS stream over real HTTP/2 on a real socket. It subscribes, holds what it is
// sent, acknowledges it and remembers when it came. It decodes no message: a scanner walks over
// the bytes of a response as they arrive, and of every resource only a 64-bit sum of name, version
// and body is kept. Requests are built once; only nonce and version are put in.
//
// One goroutine owns a connection and all streams on it, and nothing else touches them while it
// runs. It flushes what it has to write when there is nothing left to read, so acknowledgements
// travel together under load and at once without it.
package fleet
