package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/agent-on-demand/aod/store"
)

// lookup is how long it may take to look up what somebody asks for.
const lookup = 5 * time.Second

// Store is what is looked up of the durable state.
type Store interface {
	CountSessions(ctx context.Context) (map[store.Status]int64, error)
	CountSprites(ctx context.Context) (owned, doomed int64, err error)
	Stored() (rows, bytes uint64)
	Size() (database, log int64, err error)
}

// Readers are the readers of sessions' rows.
type Readers interface {
	Lag() (readers int, rows int64)
}

// Watch adds what is looked up. sprites tells how many Sprites of this machine have
// which status; it is nil where Sprites run elsewhere.
func (m *Metrics) Watch(st Store, readers Readers, sprites func() (map[string]int, error)) {
	m.registry.MustRegister(&state{st, readers, sprites})
}

// state is looked up whenever somebody asks.
type state struct {
	store   Store
	readers Readers
	sprites func() (map[string]int, error)
}

var (
	sessions  = desc("aod_sessions", "Sessions, by status.", "status")
	rows      = desc("aod_rows_stored_total", "Rows that this process has stored.")
	rowBytes  = desc("aod_rows_stored_bytes_total", "Bytes of the rows that this process has stored, as streams send them.")
	connected = desc("aod_readers", "Open streams.")
	lag       = desc("aod_reader_lag_rows", "How many published rows the reader furthest behind has not taken on.")
	machines  = desc("aod_sprites", "Sprites of this machine, by status.", "status")
	owned     = desc("aod_sprites_owned", "Sprites that sessions have.")
	doomed    = desc("aod_sprites_doomed", "Sprites that no session has and that are still to be destroyed.")
	storeSize = desc("aod_store_size_bytes", "Size of the database: its file, and the log of what is still to be brought into it.", "file")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Describe names the metrics.
func (s *state) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{sessions, rows, rowBytes, connected, lag, machines, owned, doomed, storeSize} {
		to <- d
	}
}

// Collect looks them up.
func (s *state) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), lookup)
	defer cancel()
	say := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	counts, err := s.store.CountSessions(ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(sessions, err)
	}
	for status, n := range counts {
		say(sessions, prometheus.GaugeValue, float64(n), string(status))
	}
	if mine, dying, err := s.store.CountSprites(ctx); err != nil {
		to <- prometheus.NewInvalidMetric(owned, err)
	} else {
		say(owned, prometheus.GaugeValue, float64(mine))
		say(doomed, prometheus.GaugeValue, float64(dying))
	}
	stored, bytes := s.store.Stored()
	say(rows, prometheus.CounterValue, float64(stored))
	say(rowBytes, prometheus.CounterValue, float64(bytes))
	if database, log, err := s.store.Size(); err != nil {
		to <- prometheus.NewInvalidMetric(storeSize, err)
	} else {
		say(storeSize, prometheus.GaugeValue, float64(database), "database")
		say(storeSize, prometheus.GaugeValue, float64(log), "log")
	}
	here, behind := s.readers.Lag()
	say(connected, prometheus.GaugeValue, float64(here))
	say(lag, prometheus.GaugeValue, float64(behind))
	if s.sprites == nil {
		return
	}
	found, err := s.sprites()
	if err != nil {
		to <- prometheus.NewInvalidMetric(machines, err)
	}
	for status, n := range found {
		say(machines, prometheus.GaugeValue, float64(n), status)
	}
}
