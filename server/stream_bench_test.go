package server

import (
	"bufio"
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/store"
)

const (
	batch   = 64 // rows appended together
	rowSize = 200
)

// What it takes to store rows and deliver them, of what it takes SQLite alone to insert
// them and net/http alone to hand them out.
func BenchmarkStoredAndDelivered(b *testing.B) {
	for _, readers := range []int{1, 100} {
		b.Run(fmt.Sprint(readers), func(b *testing.B) {
			e := newEdge(b)
			session := e.session(b)
			rows := slices.Repeat([]string{strings.Repeat("x", rowSize)}, batch)
			took := e.deliver(b, e.handler, readers, session, func() {
				for range b.N {
					span := e.write(b, session, rows...)
					e.hub.Publish(session, span.After, span.Frames...)
				}
				e.end(b, session)
			})
			inserted := insertRows(b, filepath.Join(b.TempDir(), "bare.db"), b.N)
			bare := newFanout()
			frame := bytes.Repeat([]byte("x"), 100+rowSize)
			fanned := e.deliver(b, bare, readers, session, func() {
				bare.wait(readers)
				for range b.N * batch {
					bare.publish(frame)
				}
				bare.close()
			})
			b.ReportMetric(float64(b.N*batch)/took.Seconds(), "rows/s")
			b.ReportMetric(inserted.Seconds()/took.Seconds(), "of-sqlite")
			b.ReportMetric(fanned.Seconds()/took.Seconds(), "of-fanout")
			b.ReportMetric(0, "ns/op") // of all three
		})
	}
}

// deliver serves readers of a stream to its end, while produce fills it.
func (e *edge) deliver(b *testing.B, handler http.Handler, readers int, session string, produce func()) time.Duration {
	b.StopTimer()
	defer b.StopTimer()
	server := httptest.NewServer(handler)
	defer server.Close()
	var wg sync.WaitGroup
	for range readers {
		body := e.read(b, server, session)
		wg.Go(func() {
			if _, err := io.Copy(io.Discard, body); err != nil {
				b.Error(err)
			}
		})
	}
	b.StartTimer()
	began := time.Now()
	produce()
	wg.Wait()
	return time.Since(began)
}

// read opens a stream. Its connection ends with the benchmark.
func (e *edge) read(b *testing.B, server *httptest.Server, session string) *bufio.Reader {
	b.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET /sessions/%s/stream HTTP/1.1\r\nHost: aod\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n", session, e.token)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || answer.StatusCode != http.StatusOK {
		b.Fatal(answer, err)
	}
	return bufio.NewReader(answer.Body)
}

// insertRows inserts as many batches as a loop can, each in a synced transaction.
func insertRows(b *testing.B, path string, batches int) time.Duration {
	db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_synchronous=FULL")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE rows (session INTEGER, id INTEGER, turn INTEGER, frame BLOB, PRIMARY KEY (session, id)) WITHOUT ROWID"); err != nil {
		b.Fatal(err)
	}
	insert, err := db.Prepare("INSERT INTO rows VALUES " + strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?), ", batch), ", "))
	if err != nil {
		b.Fatal(err)
	}
	frame := bytes.Repeat([]byte("x"), 100+rowSize)
	began := time.Now()
	for i := range batches {
		values := make([]any, 0, 4*batch)
		for j := range batch {
			values = append(values, 1, i*batch+j, 1, frame)
		}
		if _, err := insert.Exec(values...); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(began)
}

// How long it takes from a row that is published to each of 1,000 readers that have
// it, and how long where nothing is stored.
func BenchmarkPublishToReaders(b *testing.B) {
	const readers = 1000
	e := newEdge(b)
	session := e.session(b)
	stored := e.latencies(b, e.handler, readers, session, func() {
		span := e.write(b, session, "x")
		e.hub.Publish(session, span.After, span.Frames...)
	})
	bare := newFanout()
	defer bare.close()
	fanned := e.latencies(b, bare, readers, session, func() {
		bare.wait(readers)
		bare.publish([]byte("data: x\n\n"))
	})
	b.ReportMetric(stored[len(stored)/2].Seconds()*1000, "p50-ms")
	b.ReportMetric(stored[len(stored)*99/100].Seconds()*1000, "p99-ms")
	b.ReportMetric(fanned[len(fanned)/2].Seconds()*1000, "bare-p50-ms")
	b.ReportMetric(fanned[len(fanned)*99/100].Seconds()*1000, "bare-p99-ms")
	b.ReportMetric(0, "ns/op") // of both
}

// latencies publishes b.N events, each when all readers have the one before.
func (e *edge) latencies(b *testing.B, handler http.Handler, readers int, session string, publish func()) []time.Duration {
	b.StopTimer()
	defer b.StopTimer()
	server := httptest.NewServer(handler)
	defer server.CloseClientConnections()
	var mu sync.Mutex
	var all []time.Duration
	var published time.Time
	arrived := make(chan struct{}, readers)
	for range readers {
		lines := e.read(b, server, session)
		go func() { // ends with the connection
			for {
				line, err := lines.ReadString('\n')
				if err != nil {
					return
				}
				if !strings.HasPrefix(line, "data: ") || strings.Contains(line, `"start"`) || strings.Contains(line, `"turn_start"`) {
					continue
				}
				now := time.Now()
				mu.Lock()
				all = append(all, now.Sub(published))
				mu.Unlock()
				arrived <- struct{}{}
			}
		}()
	}
	b.StartTimer()
	for range b.N {
		mu.Lock()
		published = time.Now()
		mu.Unlock()
		publish()
		for range readers {
			<-arrived
		}
	}
	slices.Sort(all)
	return all
}

// What a reader takes that waits: heap and stacks, those of its client included, next
// to what one takes of a handler that does nothing.
func BenchmarkIdleReader(b *testing.B) {
	e := newEdge(b)
	session := e.session(b)
	e.write(b, session, "x")
	took := e.footprint(b, e.handler, session)
	bare := newFanout()
	defer bare.close()
	least := e.footprint(b, bare, session)
	b.ReportMetric(took, "B/reader")
	b.ReportMetric(least, "bare-B/reader")
	b.ReportMetric(0, "ns/op") // of both
}

func (e *edge) footprint(b *testing.B, handler http.Handler, session string) float64 {
	const readers = 2000
	server := httptest.NewServer(handler)
	defer server.CloseClientConnections()
	before := inUse()
	conns := make([]net.Conn, readers)
	for i := range conns {
		var err error
		if conns[i], err = net.Dial("tcp", server.Listener.Addr().String()); err != nil {
			b.Fatal(err)
		}
		defer conns[i].Close()
		fmt.Fprintf(conns[i], "GET /sessions/%s/stream HTTP/1.1\r\nHost: aod\r\nAuthorization: Bearer %s\r\n\r\n", session, e.token)
		if _, err := conns[i].Read(make([]byte, 16)); err != nil {
			b.Fatal(err)
		}
	}
	return float64(inUse()-before) / readers
}

// inUse is how much memory is in use after stacks have shrunk, which they do by half
// at a time.
func inUse() int64 {
	for range 5 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// What it takes to send the 100,000 rows of a session, of what it takes to read them
// from SQLite.
func BenchmarkReplay(b *testing.B) {
	const rows, together = 100_000, 500
	e := newEdge(b)
	session := e.session(b)
	data := slices.Repeat([]string{strings.Repeat("x", rowSize)}, together)
	for range rows / together {
		e.write(b, session, data...)
	}
	e.end(b, session)
	server := httptest.NewServer(e.handler)
	defer server.Close()
	path := filepath.Join(e.dir, "aod.db")
	var sent, read time.Duration
	b.ResetTimer()
	for range b.N {
		began := time.Now()
		if n, err := io.Copy(io.Discard, e.read(b, server, session)); err != nil || n < rows*rowSize {
			b.Fatal(n, err)
		}
		sent += time.Since(began)
		began = time.Now()
		if n := readRows(b, path); n != rows {
			b.Fatal(n)
		}
		read += time.Since(began)
	}
	b.ReportMetric(float64(b.N*rows)/sent.Seconds(), "rows/s")
	b.ReportMetric(read.Seconds()/sent.Seconds(), "of-sqlite")
	b.ReportMetric(0, "ns/op") // of both
}

// readRows reads all rows of a database in one go.
func readRows(b *testing.B, path string) (n int) {
	db, err := sql.Open("sqlite3", "file:"+path+"?mode=ro")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	found, err := db.Query("SELECT id, turn, frame FROM rows ORDER BY session, id")
	if err != nil {
		b.Fatal(err)
	}
	defer found.Close()
	for found.Next() {
		var f store.Frame
		if err := found.Scan(&f.ID, &f.Turn, &f.Data); err != nil {
			b.Fatal(err)
		}
		n++
	}
	if err := found.Err(); err != nil {
		b.Fatal(err)
	}
	return n
}

// fanout hands events to everyone who asks, and nothing else: a channel a reader, a
// write an event.
type fanout struct {
	mu      sync.Mutex
	readers []chan []byte
	joined  sync.Cond
}

func newFanout() *fanout {
	f := &fanout{}
	f.joined.L = &f.mu
	return f
}

func (f *fanout) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	events := make(chan []byte, 16)
	flusher := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	flusher.Flush()
	f.mu.Lock()
	f.readers = append(f.readers, events)
	f.joined.Broadcast()
	f.mu.Unlock()
	for {
		select {
		case event, ok := <-events:
			if !ok {
				return
			}
			w.Write(event)
			flusher.Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// wait returns when so many readers have come.
func (f *fanout) wait(readers int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.readers) < readers {
		f.joined.Wait()
	}
}

func (f *fanout) publish(event []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, events := range f.readers {
		events <- event
	}
}

func (f *fanout) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, events := range f.readers {
		close(events)
	}
	f.readers = nil
}
