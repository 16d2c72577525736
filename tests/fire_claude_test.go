package tests

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/agent-on-demand/aod/tests/model"
)

// The server is killed while the real Claude Code CLI waits for the model's second
// message: the turn comes to its end all the same, once, and the next turn goes on
// with the conversation.
func TestUnderFireClaudeCodeGoesOn(t *testing.T) {
	t.Parallel()
	models := model.Start(t)
	address := strings.TrimPrefix(models.URL(), "http://")
	settings := []string{"ANTHROPIC_API_KEY=sk-ant-operator-key-of-the-test", "AOD_RUNTIMES_DIR=" + runtimesDir(t), "AOD_SPRITE_ALLOW_HOSTS=" + address}
	for _, variable := range os.Environ() { // npm may need to be told how to reach its registry
		if name, _, _ := strings.Cut(strings.ToLower(variable), "="); strings.HasPrefix(name, "npm_config_") || strings.HasPrefix(name, "node_") || strings.HasSuffix(name, "_proxy") {
			settings = append(settings, variable)
		}
	}
	g := aim(t, settings...)
	agent := g.call("POST", "/agents", `{"name":"fire","model":"anthropic/claude-sonnet-4-6","runtime":"claude"}`, "").want(201).text("id")
	env := g.call("POST", "/environments", `{"name":"models","env_vars":{"ANTHROPIC_BASE_URL":`+quoted(models.URL())+`}}`, "").want(201).text("id")
	const first, second = "please [[bash echo run >> runs]] [[bash echo again >> runs]]", "and now [[bash cat runs]]"

	ctx, cancel := context.WithTimeout(g.ctx, patience)
	defer cancel()
	o := &ordeal{target: g, posted: make(chan struct{})}
	message := models.Hold()
	o.id = g.call("POST", "/sessions", `{"agent_id":"`+agent+`","environment_id":"`+env+`","prompt":`+quoted(first)+`,"timeout":170}`, "claude-1").want(202).text("id")
	watching := o.reader(ctx, "first", nil, nil)
	o.reader(ctx, "second", nil, nil)
	entered(ctx, message)
	message = models.Hold() // lets the first message go
	entered(ctx, message)   // the tool has run, and its result was sent
	g.strike()
	message.Release()
	select {
	case end := <-watching.ended:
		if end.Type != "exit" || *end.Code != 0 {
			t.Errorf("turn 1 ended with %+v", end)
		}
	case <-ctx.Done():
	}
	g.call("POST", "/sessions/"+o.id+"/prompt", `{"prompt":`+quoted(second)+`,"timeout":170}`, "claude-2").want(202)
	close(o.posted)
	o.reader(ctx, "late", nil, nil)
	o.reading.Wait()
	if !o.alike() {
		return
	}
	if end := watching.end; end.Type != "exit" || *end.Code != 0 {
		t.Errorf("turn 2 ended with %+v", end)
	}
	var out [3]strings.Builder
	starts := 0
	for _, r := range watching.rows {
		out[r.Turn].WriteString(r.Data)
		if r.Stage == "runtime_start" {
			starts++
		}
	}
	if result := lastLine(t, out[1].String()); result["type"] != "result" || result["is_error"] != false {
		t.Errorf("turn 1 says %v", result)
	}
	if n := strings.Count(out[1].String(), `"subtype":"init"`); n != 1 || starts != 2 {
		t.Errorf("turn 1 has begun %d times, %d turns were started:\n%s", n, starts, out[1].String())
	}
	if !strings.Contains(out[2].String(), `run\nagain`) || strings.Contains(out[2].String(), `run\nrun`) || strings.Contains(out[2].String(), `again\nagain`) {
		t.Errorf("each command has to have run once:\n%s", out[2].String())
	}
	var last model.Request
	for _, r := range models.Requests() {
		if r.Main {
			last = r
		}
	}
	if !slices.Equal(last.Prompts, []string{first, second}) {
		t.Errorf("the model was told %q", last.Prompts)
	}
	o.finish(true)
	g.nothingLeft()
	t.Log(fmt.Sprint(len(watching.rows), " rows, ", watching.opened, " connections"))
}

// entered returns when a request waits at the gate.
func entered(ctx context.Context, g *model.Gate) {
	select {
	case <-g.Entered():
	case <-ctx.Done():
	}
}
