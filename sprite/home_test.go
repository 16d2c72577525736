package sprite_test

import (
	"io"
	"log/slog"
	"testing"

	"github.com/agent-on-demand/aod/sprite"
	"github.com/agent-on-demand/aod/sprite/local"
)

// A Sprite knows its home; the host that made it says the same.
func TestHomeIsWhatTheSpriteSays(t *testing.T) {
	t.Parallel()
	for _, isolation := range []local.Isolation{local.Namespaces, local.None} {
		t.Run(string(isolation), func(t *testing.T) {
			t.Parallel()
			host, err := local.Open(t.Context(), local.Options{Dir: t.TempDir(), Token: "t", Isolation: isolation, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
			if err != nil {
				t.Fatal(err)
			}
			defer host.Close(t.Context())
			client := sprite.New(sprite.Config{Token: "t", Dial: host.DialContext})
			defer client.Close()
			if _, err := client.Home(t.Context(), "there"); err == nil {
				t.Error("a Sprite that is not there has a home")
			}
			if err := client.Create(t.Context(), "there"); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if got, err := client.Home(t.Context(), "there"); err != nil || got != host.Home("there") {
					t.Errorf("%s, %v, want %s", got, err, host.Home("there"))
				}
			}
			if err := client.Destroy(t.Context(), "there"); err != nil {
				t.Fatal(err)
			}
			if _, err := client.Home(t.Context(), "there"); err == nil {
				t.Error("a Sprite that is gone has a home")
			}
		})
	}
}
