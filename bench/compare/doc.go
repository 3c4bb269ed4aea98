// Package compare runs the comparisons: it starts a server, connects a fleet to it, takes the
// figures, checks what every client holds, and compares the figures with each other and with the targets.
//
// The servers of one run are measured one after the other on the same machine within minutes. So ratios of figures are
// meaningful, although the figures themselves depend on the machine.
package compare
