package sprite_test

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"github.com/agent-on-demand/aod/sprite/local"
)

// openHost opens a local Sprites host, which takes the token t, until the test ends.
func openHost(t *testing.T, isolation local.Isolation) *local.Host {
	t.Helper()
	host, err := local.Open(t.Context(), local.Options{Dir: t.TempDir(), Token: "t", Isolation: isolation, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.Close(context.WithoutCancel(t.Context())) })
	return host
}
