package sprite_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/agent-on-demand/aod/sprite"
	"github.com/agent-on-demand/aod/sprite/local"
)

// A command that was launched goes on when its caller leaves.
func TestLaunchThatIsLeftGoesOn(t *testing.T) {
	t.Parallel()
	host := openHost(t, local.Namespaces)
	client := sprite.New(sprite.Config{Token: "t", Dial: host.DialContext})
	defer client.Close()
	if err := client.Create(t.Context(), "there"); err != nil {
		t.Fatal(err)
	}
	why := errors.New("left")
	ctx, cancel := context.WithCancelCause(t.Context())
	spoke := writer(func(b []byte) (int, error) {
		cancel(why)
		return len(b), nil
	})
	launched := []string{"sh", "-c", `mkfifo asked answer; setsid -f sh -c 'read -r word <asked; echo "$word" >answer'; echo here; sleep 60`}
	if _, err := client.Launch(ctx, "there", launched, spoke, io.Discard); !errors.Is(err, why) {
		t.Fatalf("a launch that is left returns %v", err)
	}
	var answer strings.Builder
	code, err := client.Exec(t.Context(), "there", []string{"timeout", "60", "sh", "-c", "echo living >asked; cat answer"}, &answer, io.Discard)
	if err != nil || code != 0 || answer.String() != "living\n" {
		t.Errorf("what was launched answers %q, %d, %v", &answer, code, err)
	}
	if err := client.Destroy(t.Context(), "there"); err != nil {
		t.Error(err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }
