// Package compare runs the comparisons: it starts a server, connects a fleet to it, takes the
// figures, checks what every client holds, and says how the figures stand to each other and to
// the targets.
//
// Figures of one run are taken one server after the other on the same machine within minutes, so
// their ratios mean something where the figures themselves depend on the machine.
package compare
