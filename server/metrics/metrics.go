// Package metrics counts what a server does, for Prometheus. It guarantees that
//   - telling it something takes well below a microsecond and waits for nobody;
//   - what can be looked up is looked up when somebody asks, in a time that does not
//     grow with the number of sessions;
//   - no label has a value that comes from a request, a prompt or an output.
package metrics

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/agent-on-demand/aod/store"
)

const (
	scrapeTimeout = 10 * time.Second
	scrapesAtOnce = 4
)

// Metrics are those of one server.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	answers  *prometheus.HistogramVec
	turns    *prometheus.HistogramVec
	stages   *prometheus.HistogramVec
	commits  prometheus.Histogram
	callers  prometheus.Histogram
}

// New returns the metrics of a server of that version.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aod_http_requests_total",
			Help: "Requests that were answered, by the API document's operation, or unknown if it has none for them.",
		}, []string{"operation", "method", "code"}),
		answers: histogram("aod_http_request_duration_seconds",
			"From the headers of a request to the end of its answer; without streams, which last as long as their reader.",
			[]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}, "operation", "method", "code"),
		turns: histogram("aod_turn_duration_seconds",
			"From a prompt to the end of its turn, provisioning included.",
			[]float64{.25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200}, "runtime", "outcome"),
		stages: histogram("aod_stage_duration_seconds",
			"Of each stage of provisioning a Sprite, each attempt for itself.",
			[]float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800}, "stage", "runtime", "outcome"),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "aod_store_commit_duration_seconds", Help: "Of the transactions that write, until they are on disk.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}),
		callers: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "aod_store_commit_callers", Help: "How many callers a transaction that writes serves at once.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 9),
		}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "aod_build_info", Help: "Always 1; its labels say what runs."}, []string{"version", "goversion"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(m.requests, m.answers, m.turns, m.stages, m.commits, m.callers, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

// Request counts a request that was answered with that status.
func (m *Metrics) Request(operation, method string, status int, took time.Duration) {
	labels := []string{operation, known(method), class(status)}
	m.requests.WithLabelValues(labels...).Inc()
	m.answers.WithLabelValues(labels...).Observe(took.Seconds())
}

// Stream counts a request whose answer went on for as long as its reader was there.
func (m *Metrics) Stream(operation, method string, status int) {
	m.requests.WithLabelValues(operation, known(method), class(status)).Inc()
}

// TurnEnded counts a turn.
func (m *Metrics) TurnEnded(runtime, outcome string, took time.Duration) {
	m.turns.WithLabelValues(runtime, outcome).Observe(took.Seconds())
}

// StageEnded counts a stage of provisioning.
func (m *Metrics) StageEnded(stage store.Stage, runtime, outcome string, took time.Duration) {
	m.stages.WithLabelValues(string(stage), runtime, outcome).Observe(took.Seconds())
}

// Committed counts a transaction that has served so many callers.
func (m *Metrics) Committed(callers int, took time.Duration) {
	m.commits.Observe(took.Seconds())
	m.callers.Observe(float64(callers))
}

// Handler answers Prometheus. What cannot be looked up is left out, and said in the log.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: complaints{log}, ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: scrapesAtOnce, Timeout: scrapeTimeout,
	})
}

type complaints struct{ *slog.Logger }

// Println writes a line of the log.
func (c complaints) Println(words ...any) { c.Warn("metrics", "error", fmt.Sprint(words...)) }

// known keeps methods that somebody has made up out of the labels.
func known(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

func class(status int) string {
	if status < 100 || status > 599 {
		return "other"
	}
	return [...]string{"1xx", "2xx", "3xx", "4xx", "5xx"}[status/100-1]
}
