package tests

import (
	"fmt"
	"strings"
	"testing"

	"github.com/agent-on-demand/aod/gen"
)

// The three calls, literally, and what they answer, literally.
func TestThreeCallsOneRunningAgent(t *testing.T) {
	t.Parallel()
	a := start(t)
	agent := a.post("/agents", `{"name":"hello","model":"local/bash","runtime":"shell"}`).want(201)
	ack := a.post("/sessions", `{"agent_id":"`+agent.text("id")+`","prompt":"echo hello","timeout":120}`).want(202)
	id := ack.text("id")
	want := fmt.Sprintf(`{"id":%q,"status":"pending","stream_url":"/sessions/%s/stream","environment_id":null,"resources":[],"current_turn":1}`, id, id)
	if got := strings.TrimSpace(ack.body); got != want {
		t.Errorf("ack %s\nwant %s", got, want)
	}
	var told []string
	stream := a.stream(id)
	for _, ev := range stream.rest() {
		switch ev.Type {
		case "stage":
			told = append(told, ev.Stage+" "+ev.State)
		case "output":
			told = append(told, fmt.Sprintf("%s %d %q", ev.Stream, ev.Turn, ev.Data))
		case "exit":
			told = append(told, fmt.Sprint("exit ", *ev.Code))
		default:
			told = append(told, ev.Type)
		}
	}
	wanted := `start|create_sprite started|create_sprite done|install_runtime started|install_runtime done|env_file started|env_file done|` +
		`provision_setup started|provision_setup done|runtime_config started|runtime_config done|runtime_start started|turn_start|stdout 1 "hello\n"|exit 0`
	if got := strings.Join(told, "|"); got != wanted {
		t.Errorf("events %s\nwant   %s", got, wanted)
	}
	if kind := stream.header.Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("content type %q", kind)
	}
	a.get("/sessions/" + id).want(200)
}

// The same with the generated client, to the end of the session's life.
func TestTypedClientRunsSession(t *testing.T) {
	t.Parallel()
	a := start(t)
	runtime, model := "shell", "local/bash"
	agent, err := a.client.CreateAgentWithResponse(t.Context(), nil, gen.AgentCreate{Name: "typed", Runtime: &runtime, Model: &model})
	if err != nil || agent.JSON201 == nil {
		t.Fatal(err, agent)
	}
	session, err := a.client.CreateSessionWithResponse(t.Context(), nil, gen.SessionCreate{AgentID: agent.JSON201.ID, Prompt: "exit 4"})
	if err != nil || session.JSON202 == nil {
		t.Fatal(err, session)
	}
	a.stream(session.JSON202.ID).rest()
	got, err := a.client.GetSessionWithResponse(t.Context(), session.JSON202.ID)
	if err != nil || got.JSON200 == nil || got.JSON200.Status != gen.SessionStatusFailed || *got.JSON200.ExitCode != 4 {
		t.Fatalf("%v, %+v", err, got.JSON200)
	}
	deleted, err := a.client.DeleteSessionWithResponse(t.Context(), session.JSON202.ID)
	if err != nil || deleted.JSON200 == nil {
		t.Fatal(err, deleted)
	}
}
