package traffic

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

func TestPercentiles(t *testing.T) {
	var m Meter
	for i := 1; i <= 100; i++ {
		m.Count(time.Duration(i)*time.Millisecond, "users-1", nil)
	}
	m.Count(time.Hour, "users-1", errors.New("broken"))
	f := m.Figures()
	for share, want := range map[float64]time.Duration{0.5: 50 * time.Millisecond, 0.99: 99 * time.Millisecond} {
		if got := f.Percentile(share); got < want || float64(got) > bucketRatio*float64(want) {
			t.Errorf("percentile %v = %v, want %v or at most a fifth more", share, got, want)
		}
	}
	if f.Sent != 101 || f.Failed != 1 || f.Reason != "broken" {
		t.Errorf("figures: %+v", f)
	}
	later := m.Figures().Since(f)
	if later.Sent != 0 || later.Percentile(0.5) != 0 || later.Success() != 100 {
		t.Errorf("nothing happened, but the difference is %+v", later)
	}
}

func TestFiguresOfAnotherProcess(t *testing.T) {
	var m Meter
	r := &Reader{Meter: &m}
	for _, part := range []string{`{"sent":3,"fai`, "led\":1}\nnonsense\n{\"sent\":7,", `"failed":2}` + "\n" + `{"sent":9`} {
		if n, err := r.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	if f := m.Figures(); f.Sent != 7 || f.Failed != 2 {
		t.Errorf("sent %d, failed %d; want 7 and 2", f.Sent, f.Failed)
	}
}

// TestTrafficCountsEveryFailure has a server that refuses, resets and fails requests; each is counted.
func TestTrafficCountsEveryFailure(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.(*net.TCPConn).SetLinger(0) // its close is a reset
			conn.Close()
		}
	}()
	c := NewCaller("http://" + listener.Addr().String())
	defer c.Close()
	if _, err := c.Call(context.Background(), "users", "/"); err == nil {
		t.Error("a reset connection counts as an answer")
	}
	listener.Close()
	if _, err := c.Call(context.Background(), "users", "/"); err == nil {
		t.Error("a refused connection counts as an answer")
	}
}
