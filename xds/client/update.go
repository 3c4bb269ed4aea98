package client

import (
	"time"

	"google.golang.org/protobuf/types/known/anypb"
)

// Update is one response of the server. It is to be answered once, by Accept or Reject, from any
// goroutine, at once or later; further answers do nothing. Until then a server that waits for
// acknowledgements sends nothing more of that type.
type Update struct {
	Type      string
	Version   string     // of the whole type; in delta it is for people only (C083)
	Resources []Resource // new or changed; in state-of-the-world those of LDS and CDS are all there are (C052)
	Removed   []string   // delta only: deleted, or asked for and not there

	nonce  string
	answer func(error)
}

// Resource is one resource of an update.
type Resource struct {
	Name    string // where a state-of-the-world server does not say, what Options.Name does
	Version string
	Body    *anypb.Any    // nil in a heartbeat, which only renews TTL (C102)
	TTL     time.Duration // 0 = for good
	Aliases []string
}

// Accept acknowledges the update: its versions are claimed when the client comes back.
func (u *Update) Accept() { u.answer(nil) }

// Reject refuses the update for the given reason, which the server shows to its operator. What
// was accepted before stays what the client claims to hold.
func (u *Update) Reject(reason error) { u.answer(reason) }

// answer is what the user said of an update, on the way to the server.
type answer struct {
	update *Update
	reason error // nil = accepted
}
