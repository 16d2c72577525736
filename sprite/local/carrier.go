package local

import (
	"encoding/json"
	"fmt"

	"github.com/agent-on-demand/aod/sprite/local/egress"
	"github.com/agent-on-demand/aod/sprite/local/nic"
	"github.com/agent-on-demand/aod/sprite/local/shim"
	"github.com/agent-on-demand/aod/sprite/local/tasks"
)

func init() {
	shim.Equip(shim.Equipment{Carrier: newCarrier, Tasks: func(over func()) shim.Tasks { return tasks.New(over) }})
}

// network is what the carrier of a Sprite is told besides the policy.
type network struct {
	Hosts      []egress.Host `json:"hosts"`
	Nameserver string        `json:"nameserver"`
}

// carrier is an egress in the words of the shim.
type carrier struct{ *egress.Egress }

func newCarrier(cfg shim.Config, denied func(string)) (shim.Carrier, error) {
	var n network
	if err := json.Unmarshal(cfg.Network, &n); err != nil {
		return nil, fmt.Errorf("decode network: %w", err)
	}
	var policy egress.Policy
	if err := json.Unmarshal(cfg.Policy, &policy); err != nil {
		return nil, fmt.Errorf("decode policy: %w", err)
	}
	return carrier{egress.New(egress.Config{Policy: policy, Hosts: n.Hosts, Nameserver: n.Nameserver, Denied: denied})}, nil
}

func (c carrier) SetPolicy(b json.RawMessage) error {
	var policy egress.Policy
	if err := json.Unmarshal(b, &policy); err != nil {
		return fmt.Errorf("decode policy: %w", err)
	}
	c.Egress.SetPolicy(policy)
	return nil
}

// ports are those that listen on a Sprite's loopback.
func ports(hosts []egress.Host) []uint16 {
	out := []uint16{nic.ProxyPort}
	for _, p := range egress.Forwards(hosts) {
		if p != nic.ProxyPort {
			out = append(out, p)
		}
	}
	return out
}
