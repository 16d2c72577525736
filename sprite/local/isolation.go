package local

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/agent-on-demand/aod/sprite/local/shim"
)

// Isolation is what keeps Sprites apart from the host.
type Isolation = shim.Isolation

const (
	// Namespaces make every Sprite a machine of its own.
	Namespaces = shim.Namespaces
	// None runs every command as the host's own user, unconfined.
	None = shim.None
)

// Home answers the home folder of a Sprite as its commands see it.
func (h *Host) Home(name string) string {
	return shim.Config{Isolation: h.opts.Isolation, Dir: h.dir(name), Shares: h.opts.Shares}.Real(shim.Home)
}

// config is what a Sprite's shim has to know.
func (h *Host) config(r record) (shim.Config, error) {
	policy, err := json.Marshal(r.Policy)
	if err != nil {
		return shim.Config{}, fmt.Errorf("encode policy: %w", err)
	}
	told, err := json.Marshal(network{h.hosts, h.opts.Nameserver})
	if err != nil {
		return shim.Config{}, fmt.Errorf("encode network: %w", err)
	}
	snapshot := ""
	if r.Snapshot != "" {
		snapshot = h.kept.path(r.Snapshot)
	}
	return shim.Config{
		Name: r.Name, Isolation: h.opts.Isolation, Dir: h.dir(r.Name), Base: r.Base, Skeleton: h.opts.Skeleton, Shares: h.opts.Shares,
		Snapshot: snapshot, Policy: policy, Network: told, Ports: ports(h.hosts), Idle: h.opts.Idle,
		Processes: h.opts.Processes, Memory: h.opts.Memory, CPUs: h.opts.CPUs, Disk: h.opts.Disk,
	}, nil
}

// suits refuses a Sprite that was made under another isolation: its files are laid out for that, and some may be owned for that.
func (h *Host) suits(r record) error {
	if r.Isolation == h.opts.Isolation {
		return nil
	}
	return &apiError{http.StatusConflict, "isolation_changed", fmt.Sprintf(
		"this sprite was made with isolation %s, and its host has isolation %s now: destroy it, or start a new session", r.Isolation, h.opts.Isolation)}
}
