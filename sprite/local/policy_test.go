package local

import (
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agent-on-demand/aod/sprite/local/shim"
)

// A request that was read before a policy was set, and starts the Sprite after that, starts it under that policy.
func TestColdSpriteStartsUnderTheLatestPolicy(t *testing.T) {
	t.Parallel()
	var rules []string
	for i := range 4000 { // a big one has to fit as well
		rules = append(rules, fmt.Sprintf(`{"domain":"number-%d.ok.test","action":"allow"}`, i))
	}
	h, err := Open(t.Context(), Options{Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(t.Context())
	before, err := h.create(t.Context(), "race", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer h.destroy(t.Context(), "race")
	release, err := shim.Stop(t.Context(), h.dir("race"))
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(`{"rules":[`+strings.Join(rules, ",")+`]}`))
	r.SetPathValue("name", "race")
	if err := h.setPolicy(httptest.NewRecorder(), r); err != nil {
		t.Fatal(err)
	}
	if err := h.warm(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(shim.Guide(h.dir("race")), "policy/network.json"))
	if err != nil || strings.Count(string(b), "ok.test") != len(rules) {
		t.Errorf("the sprite runs under %.100s, %v", b, err)
	}
}
