package xds

import "time"

// A pace spreads rounds of pushes, so that what they cost stays below a share of the machine: a
// round may begin when the processor time used since the last one began (by its responses, their
// ACKs, and whatever else the program does) is at most pushShare of the time that went by. When
// nothing happened for a while, a round begins at once.
type pace struct {
	streams    int // of the last round
	began, end time.Time
	used       time.Duration // processor time of the process when the round began
}

const (
	// pushShare is how many cores pushes may use.
	pushShare = 0.75
	// maxWindow bounds how long a round waits, and so the delay of a change.
	maxWindow = 100 * time.Millisecond
	// maxWindowPerStream bounds it for smaller rounds: no response and its ACK cost more.
	maxWindowPerStream = 120 * time.Microsecond
	// assumedCost is the processor time of a response and its ACK, where the system does not tell.
	assumedCost = 30 * time.Microsecond
	// fewStreams are handled by one worker, and make no later round wait.
	fewStreams = 16
)

// wait returns how long the next round has to wait, at the moment at least.
func (p *pace) wait(now time.Time, cpu func() (time.Duration, bool)) time.Duration {
	if p.streams < fewStreams {
		return 0
	}
	longest := min(time.Duration(p.streams)*maxWindowPerStream, maxWindow) - now.Sub(p.end)
	if longest <= 0 {
		return 0
	}
	cost := time.Duration(p.streams) * assumedCost
	if used, known := cpu(); known {
		cost = used - p.used
	}
	wait := time.Duration(float64(cost)/pushShare) - now.Sub(p.began)
	return max(0, min(wait, longest))
}

// begin notes that a round begins.
func (p *pace) begin(now time.Time, streams int, cpu func() (time.Duration, bool)) {
	p.streams, p.began = streams, now
	if streams >= fewStreams {
		p.used, _ = cpu()
	}
}
