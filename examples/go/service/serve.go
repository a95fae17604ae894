package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Serve answers requests until stopped is done and the requests that run then have finished. Those
// that the grace does not suffice for are stopped within a step, and Serve fails.
func (s *Service) Serve(stopped context.Context, listener net.Listener) error {
	running, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	server := &http.Server{
		Handler:     s.Handler(),
		BaseContext: func(net.Listener) context.Context { return running },
		// Twice, so that a request is refused by its own context first, and has time to be answered.
		ReadTimeout: 2 * s.config.Timeout, WriteTimeout: 2 * s.config.Timeout,
		MaxHeaderBytes: 1 << 16,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-stopped.Done():
	}

	s.draining.Store(true)
	slog.Info("stopping", "drain", s.config.Drain, "grace", s.config.Grace)
	time.Sleep(s.config.Drain)
	err := within(s.config.Grace, server.Shutdown)
	if errors.Is(err, context.DeadlineExceeded) {
		stop(errStopped)
		last := within(s.config.Timeout, server.Shutdown)
		err = errors.Join(fmt.Errorf("requests still ran after -grace %s and were stopped", s.config.Grace), last)
	}
	slog.Info("stopped")
	return err
}

func within(limit time.Duration, work func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return work(ctx)
}
