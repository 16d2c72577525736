package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	aod "github.com/agent-on-demand/aod/sdk/go"
)

// with decodes what a call is called with.
func with[T any](text json.RawMessage) (value T) {
	if len(text) > 0 {
		if err := json.Unmarshal(text, &value); err != nil {
			panic(fmt.Errorf("%w: %s", err, text))
		}
	}
	return value
}

// call makes the call of that name.
func (r runner) call(ctx context.Context, name string, args json.RawMessage) (any, error) {
	agents, environments, sessions := r.client.Agents, r.client.Environments, r.client.Sessions
	id := with[struct{ ID string }](args).ID
	switch name {
	case "health":
		return r.client.Health(ctx)

	case "agents.create":
		return agents.Create(ctx, with[aod.AgentCreate](args))
	case "agents.list":
		return all(agents.List(ctx, with[aod.AgentFilter](args)))
	case "agents.get":
		return agents.Get(ctx, id)
	case "agents.update":
		return agents.Update(ctx, id, with[aod.AgentUpdate](args))
	case "agents.archive":
		return agents.Archive(ctx, id)
	case "agents.versions":
		return agents.Versions(ctx, id)

	case "environments.create":
		return environments.Create(ctx, with[aod.EnvironmentCreate](args))
	case "environments.list":
		return all(environments.List(ctx, with[aod.EnvironmentFilter](args)))
	case "environments.get":
		return environments.Get(ctx, id)
	case "environments.update":
		return environments.Update(ctx, id, with[aod.EnvironmentUpdate](args))
	case "environments.archive":
		return environments.Archive(ctx, id)
	case "environments.delete":
		return nil, environments.Delete(ctx, id)
	case "environments.versions":
		return environments.Versions(ctx, id)

	case "sessions.create":
		return sessions.Create(ctx, with[aod.SessionCreate](args))
	case "sessions.list":
		return all(sessions.List(ctx, with[aod.SessionFilter](args)))
	case "sessions.get":
		return sessions.Get(ctx, id)
	case "sessions.prompt":
		return sessions.Prompt(ctx, id, with[aod.SessionPrompt](args))
	case "sessions.turns":
		return sessions.Turns(ctx, id)
	case "sessions.terminate":
		return nil, sessions.Terminate(ctx, id)
	case "sessions.delete":
		return nil, sessions.Delete(ctx, id)
	case "sessions.stream":
		w := with[reading](args)
		return w.read(sessions.Stream(ctx, id, w.Since))
	case "sessions.follow":
		w := with[reading](args)
		return w.read(sessions.Follow(ctx, id, w.Since))
	case "sessions.run":
		ack, err := sessions.Create(ctx, with[aod.SessionCreate](args))
		if err != nil {
			return nil, err
		}
		return r.wait(ctx, ack.ID)
	case "sessions.wait":
		return r.wait(ctx, id)
	}
	panic("there is no call " + name)
}

// reading says from where on and how far events are read.
type reading struct {
	Since int64
	Until aod.EventType
}

func (w reading) read(events iter.Seq2[aod.Event, error]) ([]json.RawMessage, error) {
	var sent []json.RawMessage
	for event, err := range events {
		if err != nil {
			return nil, err
		}
		sent = append(sent, event.Raw)
		if event.Type == w.Until {
			break
		}
	}
	return sent, nil
}

// ended is a session with everything that it said.
type ended struct {
	Session *aod.Session      `json:"session"`
	Events  []json.RawMessage `json:"events"`
}

func (r runner) wait(ctx context.Context, id string) (any, error) {
	events, err := reading{}.read(r.client.Sessions.Follow(ctx, id, 0))
	if err != nil {
		return nil, err
	}
	session, err := r.client.Sessions.Get(ctx, id)
	return ended{session, events}, err
}
