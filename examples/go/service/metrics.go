package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what Prometheus scrapes, with those of the Go runtime and the process.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight *prometheus.GaugeVec
	sampled  prometheus.Counter
}

func newMetrics(g *gate) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pdiff_requests_total", Help: "Requests answered, by endpoint and HTTP status; 499: the client left.",
		}, []string{"endpoint", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "pdiff_request_duration_seconds", Help: "Time from a request to the end of its answer.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}, []string{"endpoint"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "pdiff_requests_in_flight", Help: "Requests that are not answered yet.",
		}, []string{"endpoint"}),
		sampled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "pdiff_networks_sampled_total", Help: "Networks sampled for answers.",
		}),
	}
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "pdiff_requests_waiting", Help: "Requests in flight that wait for a worker.",
	}, func() float64 { return float64(g.waiting.Load()) })
	m.registry.MustRegister(m.requests, m.seconds, m.inFlight, m.sampled, waiting,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// measured counts and times an endpoint's requests.
func (m *metrics) measured(endpoint string, next http.HandlerFunc) http.Handler {
	label := prometheus.Labels{"endpoint": endpoint}
	timed := promhttp.InstrumentHandlerDuration(m.seconds.MustCurryWith(label), next)
	counted := promhttp.InstrumentHandlerCounter(m.requests.MustCurryWith(label), timed)
	return promhttp.InstrumentHandlerInFlight(m.inFlight.With(label), counted)
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}
