package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// writes and writeSize are the load on the disk; one commit of 64 events writes about as much.
const writes, writeSize = 100, 128 << 10

// disk measures a synchronous write on the store's disk. No event is answered before one has completed.
func (b *bench) disk(ctx context.Context) (err error) {
	f, err := os.Create(filepath.Join(b.dir, "disk"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	block := make([]byte, writeSize)
	var took []time.Duration
	for range writes {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		took = append(took, time.Since(began))
	}
	b.report.add("the disk: a synchronous write of 128 KiB (median of 100)", "ms", milliseconds(median(took)))
	b.report.add("  99 %", "ms", milliseconds(quantile(took, .99)))
	return nil
}
