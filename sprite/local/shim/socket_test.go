package shim

import (
	"encoding/json"
	"errors"
	"os"
	"testing"
)

// A shim of another version is neither obeyed nor taken for a cold Sprite: another could not start beside it, and a policy would not hold.
func TestShimOfAnotherVersionIsNotCold(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	ln, err := listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.AcceptUnix()
			if err != nil {
				return
			}
			_ = writeJSON(conn, frameHello, hello{Protocol - 1})
			defer conn.Close()
		}
	}()
	_, listing := Sessions(t.Context(), path)
	for what, err := range map[string]error{"list": listing, "policy": SetPolicy(t.Context(), path, json.RawMessage(`{}`))} {
		var refusal *Refusal
		if !errors.As(err, &refusal) || refusal.Kind != OtherVersion || errors.Is(err, ErrCold) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
