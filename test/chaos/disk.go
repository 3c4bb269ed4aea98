//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// diskSize is the room that a server's data folder has.
const diskSize = 8 << 20

// mountDisk gives a folder a small disk of its own.
func mountDisk(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, fmt.Sprintf("size=%d", diskSize)); err != nil {
		return fmt.Errorf("mount %s: %w", folder, err)
	}
	return nil
}

// filler is the file that takes all the room.
const filler = "filler"

// fillDisk leaves no room on the first server's disk.
func fillDisk(_ context.Context, f *fleet) error {
	file, err := os.Create(filepath.Join(f.servers[0].data, filler))
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.CopyN(file, zeros{}, 2*diskSize)
	if errors.Is(err, syscall.ENOSPC) {
		return nil
	}
	return fmt.Errorf("the disk is not full after %d bytes: %v", 2*diskSize, err)
}

func emptyDisk(_ context.Context, f *fleet) error {
	return os.Remove(filepath.Join(f.servers[0].data, filler))
}

// zeros reads as zeros without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// wipeStore removes everything from the store.
func wipeStore(ctx context.Context, f *fleet) error {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", at(f.store.host.IP, storePort))
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second)) // fails only on a closed connection, as the write then does
	if _, err := conn.Write([]byte("FLUSHALL\r\n")); err != nil {
		return err
	}
	answer := make([]byte, 5)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "+OK\r\n" {
		return fmt.Errorf("FLUSHALL is answered %q: %v", answer, err)
	}
	return nil
}
