package aod_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	aod "github.com/agent-on-demand/aod/sdk/go"
)

// An agent, a session, and what it prints.
func Example() {
	ctx := context.Background()
	client, err := aod.New("", "") // AOD_API_URL, AOD_API_TOKEN
	if err != nil {
		log.Fatal(err)
	}
	agent, err := client.Agents.Create(ctx, aod.AgentCreate{Name: "hello", Runtime: new("shell"), Model: new("local/bash")})
	if err != nil {
		log.Fatal(err)
	}
	session, err := client.Sessions.Create(ctx, aod.SessionCreate{AgentID: agent.ID, Prompt: "echo hello"})
	if errors.Is(err, aod.ErrRateLimit) {
		log.Fatal("as many sessions are active as may be")
	}
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range client.Sessions.Follow(ctx, session.ID, 0) {
		if err != nil {
			log.Fatal(err)
		}
		if event.Type == aod.EventOutput {
			fmt.Print(event.Data)
		}
	}
}
