package tests

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const (
	tracing = "OTEL_BSP_SCHEDULE_DELAY=20" // milliseconds
	exports = "go.opentelemetry.io"
)

// goroutines are the stacks of all goroutines of a server.
func (a *api) goroutines() string {
	a.t.Helper()
	return a.operator().get("/debug/pprof/goroutine?debug=2").want(200).body
}

// A caller's trace goes on in the request; the turn has a trace of its own, which links to
// the request, and its stages and commands are in it.
func TestTracesGoFromTheCallerToTheCommand(t *testing.T) {
	t.Parallel()
	known, c := secrets{}, collect(t)
	a := spawn(t, os.Getuid(), tracing, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_SERVICE_NAME=shop", "OTEL_EXPORTER_OTLP_HEADERS=x-tenant=a%20b",
		"OTEL_EXPORTER_OTLP_COMPRESSION=gzip", "AOD_ADMIN_ADDR=127.0.0.1:0", "AOD_LOG_LEVEL=debug")
	if !strings.Contains(a.goroutines(), exports) {
		t.Error("nothing sends traces")
	}
	env := a.environment("x", `,"env_vars":{"TOKEN":"`+known.plant("env_vars")+`"},"setup_script":"echo `+known.plant("a setup script")+`"`)
	agent := a.shell()
	const traceID, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	session := a.call("POST", "/sessions",
		`{"agent_id":"`+agent+`","environment_id":"`+env+`","prompt":"echo `+known.plant("a prompt")+`; echo $S; exit 3","secret_env_vars":{"S":"`+known.plant("secret_env_vars")+`"}}`,
		"Traceparent", "00-"+traceID+"-"+caller+"-01", "X-Request-Id", "the-request").want(202).text("id")
	a.stream(session).rest()
	a.get("/sessions/" + nobodys + "/turns?x=" + known.plant("a query")).want(404)
	a.get("/" + known.plant("a path")).want(404)
	a.get("/health").want(200)

	waitFor(t, "there is no span of the turn", func() bool { return len(c.named("turn")) == 1 })
	a.waitForNoSprite()
	if err := a.signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	created := c.named("POST /sessions")
	if len(created) != 1 {
		t.Fatalf("%d spans of the request: %s", len(created), &c.text)
	}
	request, turn := created[0], c.named("turn")[0]
	if request.trace != traceID || request.parent != caller || request.service != "shop" {
		t.Errorf("the request is in trace %s below %s of %s", request.trace, request.parent, request.service)
	}
	for name, want := range map[string]string{
		"aod.operation": "createSession", "http.route": "/sessions", "http.request.method": "POST", "http.response.status_code": "202", "aod.session_id": session,
	} {
		if got := request.attributes[name]; got != want {
			t.Errorf("the request's %s is %q, want %q", name, got, want)
		}
	}
	if turn.parent != "" || turn.trace == traceID || len(turn.Links) != 1 || string(turn.Links[0].SpanId) != string(request.SpanId) || string(turn.Links[0].TraceId) != string(request.TraceId) {
		t.Errorf("the turn is in trace %s below %q with links %v", turn.trace, turn.parent, turn.Links)
	}
	for name, want := range map[string]string{"aod.session_id": session, "aod.turn": "1", "aod.runtime": "shell", "aod.outcome": "failed"} {
		if got := turn.attributes[name]; got != want {
			t.Errorf("the turn's %s is %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"stage create_sprite", "stage install_runtime", "stage env_file", "stage provision_setup", "stage runtime_config", "run"} {
		parts := c.below(turn, name)
		if len(parts) != 1 || parts[0].attributes["aod.outcome"] != "done" || parts[0].attributes["aod.session_id"] != session {
			t.Errorf("%s: %v", name, parts)
			continue
		}
		if part := parts[0]; part.StartTimeUnixNano < turn.StartTimeUnixNano || part.EndTimeUnixNano > turn.EndTimeUnixNano {
			t.Errorf("%s is not in the turn's time", name)
		}
	}
	setUp, run := c.below(turn, "stage provision_setup"), c.below(turn, "run")
	if len(setUp) == 1 && len(c.below(setUp[0], "exec")) == 0 {
		t.Error("no command is part of the setup")
	}
	if len(run) == 1 && (len(c.below(run[0], "launch")) != 1 || len(c.below(run[0], "exec")) < 3) {
		t.Errorf("%d launches and %d other commands are part of the run", len(c.below(run[0], "launch")), len(c.below(run[0], "exec")))
	}
	if len(c.named("unknown")) != 1 || len(c.named("GET /sessions/{session_id}/turns")) != 1 || len(c.named("GET /health")) != 0 {
		t.Errorf("requests that are none of the document's, or probes: %s", &c.text)
	}
	if got := c.headers[0].Get("X-Tenant"); got != "a b" {
		t.Errorf("the collector is sent X-Tenant %q", got)
	}
	known["a token"] = a.token
	known.in(t, "a span", c.text.String())
	for _, of := range []struct{ line, trace, id string }{{"session created", traceID, request.id}, {"turn ended", turn.trace, turn.id}} {
		want := `"trace_id":"` + of.trace + `","span_id":"` + of.id + `"`
		if !slices.ContainsFunc(strings.Split(a.log(), "\n"), func(line string) bool {
			return strings.Contains(line, `"msg":"`+of.line+`"`) && strings.Contains(line, want)
		}) {
			t.Errorf("%q is not logged with %s: %s", of.line, want, a.log())
		}
	}
}

// A turn that another server takes up begins a trace of its own there.
func TestTurnThatIsTakenUpStartsANewTrace(t *testing.T) {
	t.Parallel()
	c, dir := collect(t), dataDir(t)
	env := []string{tracing, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=" + c.URL + "/v1/traces"}
	a := spawnIn(t, dir, os.Getuid(), env...)
	session := a.session("until [ -e go ]; do sleep 0.05; done")
	a.stream(session).until(func(e event) bool { return e.Stage == "runtime_start" })
	if err := a.signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	a = spawnIn(t, dir, os.Getuid(), env...)
	a.post("/sessions/"+session+"/terminate", "").want(200)
	waitFor(t, "there are no two spans of the turn", func() bool { return len(c.named("turn")) == 2 })
	first, second := c.named("turn")[0], c.named("turn")[1]
	if len(first.Links) != 1 || first.attributes["aod.outcome"] != "detached" {
		t.Errorf("%s", first.Span)
	}
	if len(second.Links) != 0 || second.parent != "" || second.trace == first.trace || second.attributes["aod.outcome"] != "terminated" || second.attributes["aod.session_id"] != session {
		t.Errorf("%s", second.Span)
	}
	if second.service != "aod" {
		t.Errorf("the service is %q", second.service)
	}
}

// Nothing of it is there unless it is asked for.
func TestNoTracesUnlessAskedFor(t *testing.T) {
	t.Parallel()
	c := collect(t)
	endpoint := "OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL
	for _, env := range [][]string{nil, {endpoint, "OTEL_SDK_DISABLED=true"}, {endpoint, "OTEL_TRACES_EXPORTER=none"}} {
		a := spawn(t, os.Getuid(), append(env, tracing, "AOD_ADMIN_ADDR=127.0.0.1:0")...)
		a.run("true")
		if strings.Contains(a.goroutines(), exports) {
			t.Errorf("%v: something sends traces", env)
		}
	}
	sampled := spawn(t, os.Getuid(), endpoint, tracing, "OTEL_TRACES_SAMPLER=always_off")
	sampled.run("true")
	sampled.endSessions()
	if err := sampled.signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if len(c.spans) != 0 {
		t.Errorf("there are spans: %s", &c.text)
	}
}

// A collector that is away holds nothing up, and is said once.
func TestCollectorThatIsAwayHoldsNothingUp(t *testing.T) {
	t.Parallel()
	c := collect(t)
	c.Close()
	a := spawn(t, os.Getuid(), tracing, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_EXPORTER_OTLP_TIMEOUT=100")
	if _, all := a.run("echo hello"); output(all, "stdout", 1) != "hello\n" {
		t.Errorf("got %+v", all)
	}
	a.endSessions()
	if err := a.signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if n := strings.Count(a.log(), `"level":"WARN","msg":"traces could not be sent"`); n != 1 {
		t.Errorf("it is said %d times: %s", n, a.log())
	}
}

func TestTracesThatCannotBeSentAreRefused(t *testing.T) {
	t.Parallel()
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317"
	for want, env := range map[string][]string{
		"OTEL_TRACES_EXPORTER: it is not one of otlp, none: zipkin":                                                                                               {endpoint, "OTEL_TRACES_EXPORTER=zipkin"},
		"OTEL_EXPORTER_OTLP_PROTOCOL: traces are sent as http/protobuf alone, not as grpc; unset it, and name the collector's HTTP port, mostly 4318":             {endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"},
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: traces are sent as http/protobuf alone, not as http/json; unset it, and name the collector's HTTP port, mostly 4318": {endpoint, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json"},
		"OTEL_EXPORTER_OTLP_ENDPOINT: it is not of the form http://host:4318":                                                                                     {"OTEL_EXPORTER_OTLP_ENDPOINT=user:hush@host"},
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: it is not of the form http://host:4318":                                                                              {endpoint, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=host:4318"},
	} {
		out, words, err := aod(t, env, "serve", "--addr", "127.0.0.1:0", "--data-dir", t.TempDir())
		if err == nil || out != "" || words != "aod: "+want+"\n" {
			t.Errorf("%v: %v %q %q, want %q", env, err, out, words, want)
		}
	}
}
