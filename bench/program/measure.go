package program

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Options say which programs are measured.
type Options struct {
	Doyen string // path of the doyen program
	Envoy string // path of Envoy
}

// Measure takes all figures. Figures taken before an error are in the result.
func Measure(ctx context.Context, o Options) (Figures, error) {
	var f Figures
	binary, err := os.Stat(o.Doyen)
	if err != nil {
		return f, err
	}
	f.Binary = binary.Size()
	folder, err := os.MkdirTemp("", "doyen-bench-")
	if err != nil {
		return f, err
	}
	err = f.measure(ctx, o, folder)
	return f, errors.Join(err, os.RemoveAll(folder))
}

func (f *Figures) measure(ctx context.Context, o Options, folder string) error {
	if err := f.start(ctx, o, filepath.Join(folder, "start")); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	if err := f.validate(ctx, o, filepath.Join(folder, "validate")); err != nil {
		return fmt.Errorf("validate: %w", err)
	}
	if err := f.checkIns(ctx, o, filepath.Join(folder, "envoys"), proxies{envoys: manyEnvoys}); err != nil {
		return fmt.Errorf("check-in with Envoys: %w", err)
	}
	if err := f.checkIns(ctx, o, filepath.Join(folder, "streams"), proxies{envoys: 1, streams: manyStreams}); err != nil {
		return fmt.Errorf("check-in with streams: %w", err)
	}
	return nil
}

// How many proxies there are at check-ins.
const (
	manyEnvoys  = 20
	manyStreams = 1000
)
