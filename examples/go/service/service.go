package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"

	pdiff "github.com/libpdiff/libpdiff/bindings/go"
)

// Service answers requests from one open generator.
type Service struct {
	config    Config
	generator *pdiff.Generator
	network   *Network // nil: no predictions
	gate      *gate
	metrics   *metrics
	draining  atomic.Bool
}

// New opens the generator and, where there is one, the description of its networks.
func New(c Config) (*Service, error) {
	generator, err := pdiff.Open(c.Generator)
	if err != nil {
		return nil, err
	}
	s := &Service{config: c, generator: generator, gate: newGate(c.Workers, c.Queue)}
	if c.Network != "" {
		if s.network, err = ReadNetwork(c.Network, generator.Tensor); err != nil {
			generator.Close()
			return nil, fmt.Errorf("%s: %w", c.Network, err)
		}
	}
	if !generator.IsGood() {
		slog.Warn("the generator failed a gate of its training; pdiff inspect says which", "generator", c.Generator)
	}
	s.metrics = newMetrics(s.gate)
	return s, nil
}

// Close closes the generator.
func (s *Service) Close() error { return s.generator.Close() }

// Handler routes every request.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/networks", s.endpoint("networks", s.networks))
	mux.Handle("/v1/predict", s.endpoint("predict", s.predict))
	mux.Handle("GET /metrics", s.metrics.handler())
	mux.HandleFunc("GET /healthz", healthy)
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(http.StatusNotFound, "path",
			"no %s %s; POST /v1/networks or /v1/predict, GET /healthz, /readyz or /metrics", r.Method, r.URL.Path).write(w)
	})
	return mux
}

func healthy(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

// ready fails once the service is asked to stop, so that a load balancer sends no more.
func (s *Service) ready(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "draining")
		return
	}
	fmt.Fprintln(w, "ready")
}
