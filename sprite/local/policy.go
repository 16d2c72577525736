package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/egress"
	"github.com/agent-on-demand/aod/sprite/local/shim"
)

// setPolicy answers when the policy is in force, also in a Sprite that runs: what it forbids is cut.
func (h *Host) setPolicy(w http.ResponseWriter, r *http.Request) error {
	var policy egress.Policy
	if err := decodeStrict(r, &policy); err != nil {
		return err
	}
	if policy.Rules == nil { // whoever has forgotten the rules did not mean to lift them
		return badRequest("invalid policy: rules must be a list")
	}
	if err := policy.Validate(); err != nil {
		return badRequest("invalid policy: " + err.Error())
	}
	if h.opts.Isolation == None && !policy.Unrestricted() {
		return notImplemented("the isolation of local sprites is none: a network policy cannot be enforced, because their commands are ordinary processes of this machine")
	}
	release := h.gates.own(r.PathValue("name"))
	defer release()
	rec, err := h.load(r.PathValue("name"))
	if err != nil {
		return err
	}
	rec.Policy, rec.Updated = policy, time.Now().UTC()
	if err := h.save(rec); err != nil {
		return err
	}
	b, err := json.Marshal(policy)
	if err != nil {
		return fmt.Errorf("encode policy: %w", err)
	}
	if err := shim.SetPolicy(r.Context(), h.dir(rec.Name), b); err != nil && !errors.Is(err, shim.ErrCold) {
		return fmt.Errorf("set policy: %w", err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *Host) getPolicy(w http.ResponseWriter, r *http.Request) error {
	rec, err := h.load(r.PathValue("name"))
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, rec.Policy)
	return nil
}
