package local_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/sprite/local"
	"github.com/superfly/sprites-go"
)

func benchHost(b *testing.B) *machine {
	b.Helper()
	opts := local.Options{Dir: b.TempDir(), Skeleton: skeleton, Token: token, Idle: time.Minute}
	h, err := local.Open(b.Context(), opts)
	if err != nil {
		b.Fatal(err)
	}
	m := &machine{Host: h, opts: opts, reach: h.DialContext}
	m.client = sprites.New(token, sprites.WithBaseURL("http://localhost"), sprites.WithDisableControl(),
		sprites.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: h.DialContext, DisableKeepAlives: true}}), sprites.WithNetDialContext(m.dial))
	b.Cleanup(func() {
		if err := h.Close(b.Context()); err != nil && b.Context().Err() == nil {
			b.Error(err)
		}
	})
	return m
}

func (m *machine) hi(b *testing.B, name string) {
	b.Helper()
	cmd := m.client.Sprite(name).Command("echo", "hi")
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
}

func (m *machine) must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkWarmExec(b *testing.B) {
	m := benchHost(b)
	_, err := m.client.CreateSprite(b.Context(), "bench", nil)
	m.must(b, err)
	for b.Loop() {
		m.hi(b, "bench")
	}
	m.must(b, m.client.DeleteSprite(b.Context(), "bench"))
}

// BenchmarkOutput carries much output through one exec.
func BenchmarkOutput(b *testing.B) {
	const size = 256 << 20
	m := benchHost(b)
	_, err := m.client.CreateSprite(b.Context(), "loud", nil)
	m.must(b, err)
	b.SetBytes(size)
	for b.Loop() {
		cmd := m.client.Sprite("loud").Command("head", "-c", strconv.Itoa(size), "/dev/zero")
		var got counter
		cmd.Stdout, cmd.Stderr = &got, io.Discard
		m.must(b, cmd.Run())
		if got != size {
			b.Fatalf("%d bytes of %d", got, size)
		}
	}
	m.must(b, m.client.DeleteSprite(b.Context(), "loud"))
}

type counter int

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

func BenchmarkCreateExecDestroy(b *testing.B) {
	m := benchHost(b)
	var created, first, destroyed time.Duration
	n := 0
	for b.Loop() {
		name := "bench-" + strconv.Itoa(n)
		n++
		t0 := time.Now()
		_, err := m.client.CreateSprite(b.Context(), name, nil)
		m.must(b, err)
		t1 := time.Now()
		m.hi(b, name)
		t2 := time.Now()
		m.must(b, m.client.DeleteSprite(b.Context(), name))
		created, first, destroyed = created+t1.Sub(t0), first+t2.Sub(t1), destroyed+time.Since(t2)
	}
	b.ReportMetric(created.Seconds()*1e3/float64(n), "create-ms")
	b.ReportMetric(first.Seconds()*1e3/float64(n), "first-exec-ms")
	b.ReportMetric(destroyed.Seconds()*1e3/float64(n), "destroy-ms")
}

// BenchmarkIdleSprites says how much memory a hundred Sprites take in which nothing runs, their shims and all.
func BenchmarkIdleSprites(b *testing.B) {
	const sprites = 100
	m := benchHost(b)
	for b.Loop() {
		for i := range sprites {
			_, err := m.client.CreateSprite(b.Context(), "idle-"+strconv.Itoa(i), nil)
			m.must(b, err)
		}
		sum := 0
		for i := range sprites {
			for _, pid := range m.processes(b, "idle-"+strconv.Itoa(i)) {
				sum += proportional(b, pid)
			}
		}
		b.ReportMetric(float64(sum)/1e6, "MB")
		for i := range sprites {
			m.must(b, m.client.DeleteSprite(b.Context(), "idle-"+strconv.Itoa(i)))
		}
	}
}

// processes are the shim and the init of a Sprite.
func (m *machine) processes(b *testing.B, name string) []int {
	b.Helper()
	text, err := os.ReadFile(filepath.Join(m.opts.Dir, name, "shim.json"))
	m.must(b, err)
	var state struct{ Shim, Init struct{ Pid int } }
	m.must(b, json.Unmarshal(text, &state))
	return []int{state.Shim.Pid, state.Init.Pid}
}

// proportional is the memory of a process, with its part of what it shares.
func proportional(b *testing.B, pid int) int {
	b.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "Pss:"); ok {
			kb, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				b.Fatal(err)
			}
			return kb << 10
		}
	}
	b.Fatalf("process %d has no Pss", pid)
	return 0
}
