// Package earlysignals keeps the signals that reach a program before it handles them, when it follows another one in the
// same process.
//
// A Go program that handles no signals ends at the first one: the runtime unblocks them all before any other code runs,
// so it is of no use that the program before blocks them. The packages of this program take longer to initialize than
// anything else in its replacement, so this one comes before nearly all of them: packages are initialized in the order
// of their paths, once those that they import are (Go specification, "Program initialization").
//
// The package must import nothing that takes time. Its one invariant: a program that follows no other one handles
// signals as if this package did not exist.
package earlysignals

import (
	"os"
	"os/signal"
	"syscall"
)

// Variable is the environment variable that tells a program that it follows another one; [Checking] is its value for a
// program that is only asked whether it could.
const (
	Variable = "DOYEN_HANDOVER"
	Checking = "check"
)

// caught has the first early signal of each kind. It does not change.
var caught = catch(os.Getenv(Variable), syscall.SIGTERM, os.Interrupt, syscall.SIGHUP)

func catch(variable string, kinds ...os.Signal) map[os.Signal]chan os.Signal {
	if variable == "" || variable == Checking {
		return nil
	}
	all := make(map[os.Signal]chan os.Signal, len(kinds))
	for _, kind := range kinds {
		all[kind] = make(chan os.Signal, 1)
		signal.Notify(all[kind], kind)
	}
	return all
}

// Notify is [signal.Notify], and also gives c what was caught of those kinds before. Several signals of one kind count as
// one, as they do while a process blocks them. c needs room for one of each kind, and nobody may read it yet.
func Notify(c chan os.Signal, kinds ...os.Signal) { notify(caught, c, kinds...) }

func notify(caught map[os.Signal]chan os.Signal, c chan os.Signal, kinds ...os.Signal) {
	signal.Notify(c, kinds...)
	for _, kind := range kinds {
		early := caught[kind]
		if early == nil {
			continue
		}
		signal.Stop(early) // what comes from now on goes to c only
		select {
		case s := <-early:
			put(c, s)
		default:
		}
	}
}

// put adds s to c unless c has it already: a signal between Notify and Stop goes to both channels.
func put(c chan os.Signal, s os.Signal) {
	for range len(c) {
		if other := <-c; other != s {
			offer(c, other)
		}
	}
	offer(c, s)
}

// offer adds s to c if there is room: signals may come meanwhile.
func offer(c chan os.Signal, s os.Signal) {
	select {
	case c <- s:
	default:
	}
}
