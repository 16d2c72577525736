package tests

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/agent-on-demand/aod/server"
)

// scrape is what Prometheus gets of a server.
type scrape struct {
	t    *testing.T
	text string
	all  map[string]*dto.MetricFamily
}

func (a *api) scrape() scrape {
	a.t.Helper()
	text := a.operator().get("/metrics").want(200).body
	parser := expfmt.NewTextParser(model.UTF8Validation)
	all, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		a.t.Fatal(err)
	}
	return scrape{a.t, text, all}
}

// value is that of a metric with exactly these labels, as in status=failed; of a
// histogram how often something was seen. It is -1 if there is none.
func (s scrape) value(name string, labels ...string) float64 {
	s.t.Helper()
	family := s.all[name]
	if family == nil {
		return -1
	}
	for _, m := range family.Metric {
		var has []string
		for _, l := range m.Label {
			has = append(has, l.GetName()+"="+l.GetValue())
		}
		if slices.Equal(slices.Sorted(slices.Values(has)), slices.Sorted(slices.Values(labels))) {
			return m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return -1
}

func (s scrape) want(value float64, name string, labels ...string) {
	s.t.Helper()
	if got := s.value(name, labels...); got != value {
		s.t.Errorf("%s %v is %v, want %v", name, labels, got, value)
	}
}

func (s scrape) positive(name string, labels ...string) {
	s.t.Helper()
	if got := s.value(name, labels...); got <= 0 {
		s.t.Errorf("%s %v is %v", name, labels, got)
	}
}

func TestMetricsSayWhatSessionsDid(t *testing.T) {
	t.Parallel()
	known := secrets{}
	a := start(t, func(c *server.Config) { c.AdminAddr = "127.0.0.1:0" })
	a.ready()
	fresh := a.scrape()
	for _, status := range []string{"pending", "running", "completed", "failed", "terminated"} {
		fresh.want(0, "aod_sessions", "status="+status)
	}
	fresh.want(0, "aod_rows_stored_total")
	fresh.want(0, "aod_readers")

	agent := a.shell()
	env := a.environment("broken", `,"setup_script":"echo `+known.plant("a setup script")+`; exit 3"`)
	good := a.in(agent, "echo "+known.plant("a prompt")+"; echo $S", `,"secret_env_vars":{"S":"`+known.plant("secret_env_vars")+`"}`).want(202).text("id")
	all := a.stream(good).rest()
	bad := a.in(agent, "true", `,"environment_id":"`+env+`"`).want(202).text("id")
	failed := a.stream(bad).rest()
	running := a.session("echo on; sleep 1000")
	reader := a.stream(running)
	ahead := reader.until(func(e event) bool { return e.Data == "on\n" })
	a.post("/sessions/"+bad+"/prompt", `{"prompt":"x"}`).want(409)
	a.get("/nothing/" + known.plant("a path")).want(404)
	a.call("DELETE", "/sessions", "").want(405)

	waitFor(t, "the metrics lack turns", func() bool {
		s := a.scrape()
		return s.value("aod_turn_duration_seconds", "runtime=shell", "outcome=completed") == 1 && s.value("aod_turn_duration_seconds", "runtime=shell", "outcome=failed") == 1
	})
	s := a.scrape()
	s.want(1, "aod_sessions", "status=completed")
	s.want(1, "aod_sessions", "status=failed")
	s.want(1, "aod_sessions", "status=running")
	s.want(0, "aod_sessions", "status=pending")
	s.want(3, "aod_stage_duration_seconds", "stage=create_sprite", "runtime=shell", "outcome=done")
	s.want(2, "aod_stage_duration_seconds", "stage=provision_setup", "runtime=shell", "outcome=done")
	s.want(1, "aod_stage_duration_seconds", "stage=provision_setup", "runtime=shell", "outcome=failed")
	s.want(float64(all[len(all)-1].Number+failed[len(failed)-1].Number+ahead[len(ahead)-1].Number), "aod_rows_stored_total")
	s.positive("aod_rows_stored_bytes_total")
	s.want(1, "aod_readers")
	s.want(0, "aod_reader_lag_rows")
	s.want(3, "aod_http_requests_total", "operation=createSession", "method=POST", "code=2xx")
	s.want(3, "aod_http_request_duration_seconds", "operation=createSession", "method=POST", "code=2xx")
	s.want(1, "aod_http_requests_total", "operation=promptSession", "method=POST", "code=4xx")
	s.want(1, "aod_http_requests_total", "operation=unknown", "method=GET", "code=4xx")
	s.want(1, "aod_http_requests_total", "operation=unknown", "method=DELETE", "code=4xx")
	s.want(2, "aod_http_requests_total", "operation=streamSession", "method=GET", "code=2xx")
	s.want(-1, "aod_http_request_duration_seconds", "operation=streamSession", "method=GET", "code=2xx")
	s.want(2, "aod_sprites_owned")
	if here := s.value("aod_sprites", "status=warm") + s.value("aod_sprites", "status=cold"); here < 2 {
		t.Errorf("%v sprites are on this machine", here)
	}
	if n := s.value("aod_sprites_doomed"); n != 0 && n != 1 { // that of the session that failed, until it is gone
		t.Errorf("%v sprites are doomed", n)
	}
	for _, name := range []string{"aod_store_commit_duration_seconds", "aod_store_commit_callers", "go_goroutines", "process_resident_memory_bytes", "process_start_time_seconds"} {
		s.positive(name)
	}
	s.positive("aod_store_size_bytes", "file=database")
	s.positive("aod_store_size_bytes", "file=log")
	if !strings.Contains(s.text, `aod_build_info{goversion="go`) || !strings.Contains(s.text, `version="test"} 1`) {
		t.Error("there is no build info")
	}

	a.post("/sessions/"+running+"/terminate", "").want(200)
	reader.rest()
	waitFor(t, "the terminated turn is not counted", func() bool {
		return a.scrape().value("aod_turn_duration_seconds", "runtime=shell", "outcome=terminated") == 1
	})
	s = a.scrape()
	s.want(1, "aod_sessions", "status=terminated")
	s.want(0, "aod_sessions", "status=running")
	waitFor(t, "a reader is left", func() bool { return a.scrape().value("aod_readers") == 0 })

	known.in(t, "the metrics", s.text)
	for what, id := range map[string]string{"a session": good, "an agent": agent, "an environment": env} {
		if strings.Contains(s.text, id) {
			t.Errorf("the metrics have the id of %s", what)
		}
	}
	problems, err := promlint.New(strings.NewReader(s.text)).Lint()
	if err != nil || len(problems) != 0 {
		t.Errorf("%v %v", problems, err)
	}
	for _, name := range slices.Sorted(maps.Keys(s.all)) {
		if s.all[name].GetHelp() == "" || !strings.HasPrefix(name, "aod_") && !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") && !strings.HasPrefix(name, "promhttp_") {
			t.Errorf("%s: %q", name, s.all[name].GetHelp())
		}
	}
}

// Somebody who makes up methods makes no metrics.
func TestMadeUpMethodsAreCountedAsOne(t *testing.T) {
	t.Parallel()
	a := start(t, func(c *server.Config) { c.AdminAddr = "127.0.0.1:0" })
	for _, method := range []string{"BREW", "WHEN", "PROPFIND"} {
		a.call(method, "/agents", "").want(405)
	}
	s := a.scrape()
	s.want(3, "aod_http_requests_total", "operation=unknown", "method=other", "code=4xx")
	if strings.Contains(s.text, "BREW") {
		t.Error("a method of its own is counted")
	}
}
