package main

import (
	"context"
	"sync/atomic"
)

// gate lets a bounded number of requests work and a bounded number wait for their turn.
type gate struct {
	working chan struct{}
	waiting atomic.Int64
	queue   int64
}

func newGate(workers, queue int) *gate {
	return &gate{working: make(chan struct{}, workers), queue: int64(queue)}
}

// enter waits for a worker. It fails at once with errBusy when the queue is full, and when ctx is
// done before its turn comes.
func (g *gate) enter(ctx context.Context) error {
	select {
	case g.working <- struct{}{}:
		return nil
	default:
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > g.queue {
		return errBusy
	}
	select {
	case g.working <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave ends what enter began.
func (g *gate) leave() { <-g.working }
