package supervisor

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/doyen-mesh/doyen/internal/process"
)

// Application runs the application of an instance.
type Application struct {
	Command     []string // with its arguments
	Environment []string // all of it
	StopTimeout time.Duration
	Hurry       <-chan struct{} // closes when the application is to be killed rather than stopped; nil is never
	Started     func()          // is called once the application runs; must not block
	Stdout      io.Writer
	Stderr      io.Writer
	Log         *slog.Logger
}

// Ended says that the application ran and has ended.
type Ended struct {
	Status int // as a shell tells it: 128 + n after signal n
}

func (e *Ended) Error() string { return fmt.Sprintf("the application ended with status %d", e.Status) }

// Run runs the application until it ends by itself or ctx ends, and returns an *Ended, or the error that kept it from
// starting.
func (a *Application) Run(ctx context.Context) error {
	app, err := process.Start(process.Command{Path: a.Command[0], Args: a.Command[1:], Env: a.Environment, Stdout: a.Stdout, Stderr: a.Stderr})
	if err != nil {
		return err
	}
	a.Log.Info("application started", "command", filepath.Base(a.Command[0]), "pid", app.PID())
	a.Started()
	level := slog.LevelInfo
	select {
	case <-app.Done():
		if app.Code() != 0 {
			level = slog.LevelError
		}
	case <-ctx.Done():
		app.Stop(a.StopTimeout, a.Hurry)
	}
	a.Log.Log(context.WithoutCancel(ctx), level, "application ended", "status", app.Code())
	return &Ended{app.Code()}
}
