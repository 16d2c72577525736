package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	aod "github.com/agent-on-demand/aod/sdk/go"
)

// mark is in the metadata of agents that aod run has made; its value is what they were made of.
const mark = "aod-run"

// suitableAgent is an agent of aod run with exactly that configuration: one that there is,
// else a new one.
func suitableAgent(ctx context.Context, client *aod.Client, runtime, model, system string) (string, error) {
	sum := sha256.Sum256([]byte(strings.Join([]string{runtime, model, system}, "\x00")))
	made := hex.EncodeToString(sum[:8])
	for agent, err := range client.Agents.List(ctx, aod.AgentFilter{Metadata: &aod.MetadataFilter{mark: made}}) {
		if err != nil {
			return "", err
		}
		if agent.Version == 1 { // nobody has changed it since
			return agent.ID, nil
		}
	}
	value, err := json.Marshal(made)
	must(err)
	agent, err := client.Agents.Create(ctx, aod.AgentCreate{
		Name: "aod run " + runtime, Runtime: &runtime, Model: &model, System: &system,
		Description: new("Made by aod run, which takes it again."), Metadata: aod.Metadata{mark: value},
	})
	if err != nil {
		return "", err
	}
	return agent.ID, nil
}
