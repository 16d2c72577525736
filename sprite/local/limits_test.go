package local_test

import (
	"testing"
)

// bomb leaves processes behind that start processes, as fast as they can, for ever.
const bomb = `bomb() { bomb | bomb & }; bomb < /dev/null > /dev/null 2>&1 & true`

// A fork bomb reaches its Sprite's limit and nothing else: other Sprites work meanwhile, and it can be ended.
func TestForkBombStaysInItsSprite(t *testing.T) {
	t.Parallel()
	opts := options(t)
	opts.Processes = 100
	forkBomb(t, openWith(t, opts))
}

func forkBomb(t *testing.T, m *machine) {
	t.Helper()
	m.create(t, "bombed")
	m.create(t, "other")
	if got := m.sh(t, "bombed", "exec bash -c 'cat; ulimit -u; ulimit -Hu; ulimit -c'"); got != "100\n100\n0\n" {
		t.Errorf("limits %q", got)
	}
	// The watcher forks until it cannot any more.
	watcher, said, _, err := m.start(t.Context(), "bombed", nil, "sh", "-c", "(while (:); do :; done) 2> /dev/null; echo full; read end; exit 0")
	if err != nil {
		t.Fatal(err)
	}
	m.run(t.Context(), "bombed", nil, "bash", "-c", "cat; "+bomb) // it stays as a daemon
	if err := watcher.Wait(); err != nil || said.String() != "full\n" {
		t.Errorf("the watcher says %q and ends with %v", said, err)
	}
	for range 5 {
		if got := m.sh(t, "other", "cat; echo well"); got != "well\n" {
			t.Errorf("the other Sprite says %q", got)
		}
	}
	if err := m.client.DeleteSprite(t.Context(), "bombed"); err != nil {
		t.Error(err)
	}
	if got := m.sh(t, "other", "cat; echo well"); got != "well\n" {
		t.Errorf("the other Sprite says %q", got)
	}
}
