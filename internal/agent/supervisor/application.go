package supervisor

import (
	"context"
	"errors"
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
	Thread      *process.Thread // starts the application; nil is a thread of its own

	// Inherited is the application if it runs already: the program before this one has started it.
	Inherited *process.Released
	released  *process.Released
}

// Ended says that the application ran and has ended.
type Ended struct {
	Status int // as a shell tells it: 128 + n after signal n
}

func (e *Ended) Error() string { return fmt.Sprintf("the application ended with status %d", e.Status) }

// start starts the application, or takes over the one that runs.
func (a *Application) start() (*process.Process, error) {
	c := process.Command{
		Path: a.Command[0], Args: a.Command[1:], Env: a.Environment, Stdout: a.Stdout, Stderr: a.Stderr, Thread: a.Thread,
	}
	if a.Inherited != nil {
		return process.Adopt(c, *a.Inherited)
	}
	app, err := process.Start(c)
	if err == nil {
		a.Log.Info("application started", "command", filepath.Base(a.Command[0]), "pid", app.PID())
	}
	return app, err
}

// Released is the application that Run has let go of; nil if there is none. Run must have returned.
func (a *Application) Released() *process.Released { return a.released }

// Run runs the application until it ends by itself or ctx ends, and returns an *Ended, or the error that kept it from
// starting. When ctx ends because of process.ErrReleased, Run lets go of the application and returns nil.
func (a *Application) Run(ctx context.Context) error {
	app, err := a.start()
	if err != nil {
		return err
	}
	a.Started()
	level := slog.LevelInfo
	select {
	case <-app.Done():
		if app.Code() != 0 {
			level = slog.LevelError
		}
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), process.ErrReleased) {
			if r, ok := app.Release(); ok {
				a.released = &r
				return nil
			}
		}
		app.Stop(a.StopTimeout, a.Hurry)
	}
	a.Log.Log(context.WithoutCancel(ctx), level, "application ended", "status", app.Code())
	return &Ended{app.Code()}
}
