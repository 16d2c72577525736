package local

import (
	"encoding/json"
	"net/http"
)

// setPolicy accepts only the policy that this host can keep: none. A rule that is stored but not enforced would be worse than a refusal.
func (h *Host) setPolicy(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Rules []json.RawMessage `json:"rules"`
	}
	if err := decode(r, &q); err != nil {
		return err
	}
	if _, err := h.load(r.PathValue("name")); err != nil {
		return err
	}
	if len(q.Rules) > 0 {
		return notImplemented("the local sprites host cannot enforce network policies yet: its sprites share the network of this machine")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *Host) getPolicy(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.load(r.PathValue("name")); err != nil {
		return err
	}
	answer(w, http.StatusOK, map[string]any{"rules": []any{}})
	return nil
}
