package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// guideInside is where a Sprite finds what the host tells and offers it, read-only.
const guideInside = "/.sprite"

// Guide is the host's folder that a Sprite sees, read-only, at /.sprite. What is put there appears inside at once.
func Guide(dir string) string { return filepath.Join(dir, "sprite") }

// spriteEnv speaks to the Sprite's own API. A path is enough for a URL.
const spriteEnv = `#!/bin/sh
# sprite-env curl ARGS...: curl to the API of this sprite, as in: sprite-env curl -X POST /v1/tasks -d '{"name":"build","expire":"5m"}'
if [ "$1" != curl ]; then
	echo 'usage: sprite-env curl ARGS...' >&2
	exit 2
fi
shift
if ! command -v curl >/dev/null; then
	echo 'sprite-env: there is no curl in this sprite; install it with: apt-get install curl' >&2
	exit 127
fi
n=$#
while [ "$n" -gt 0 ]; do
	arg=$1
	shift
	case $arg in /v1/*) arg=http://sprite$arg ;; esac
	set -- "$@" "$arg"
	n=$((n - 1))
done
exec curl --noproxy '*' --unix-socket "${0%/bin/*}/api.sock" "$@"
`

// writeGuide fills the folder.
func writeGuide(dir string, policy json.RawMessage) error {
	for _, d := range []string{"", "bin", "policy"} {
		path := filepath.Join(Guide(dir), d)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return fmt.Errorf("make guide: %w", err)
		}
		if err := os.Chmod(path, 0o755); err != nil { // whatever the umask
			return fmt.Errorf("make guide: %w", err)
		}
	}
	return errors.Join(
		inGuide(dir, "version.txt", []byte("local-"+strconv.Itoa(Protocol)+"\n"), 0o644),
		inGuide(dir, "bin/sprite-env", []byte(spriteEnv), 0o755),
		showPolicy(dir, policy),
	)
}

// showPolicy tells the Sprite which policy it is under.
func showPolicy(dir string, policy json.RawMessage) error {
	return inGuide(dir, "policy/network.json", append(slices.Clone(policy), '\n'), 0o644)
}

// inGuide replaces a file as a whole.
func inGuide(dir, name string, content []byte, mode fs.FileMode) error {
	path := filepath.Join(Guide(dir), name)
	if err := os.WriteFile(path+".new", content, mode); err != nil {
		return fmt.Errorf("write guide: %w", err)
	}
	if err := os.Chmod(path+".new", mode); err != nil {
		return fmt.Errorf("write guide: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write guide: %w", err)
	}
	return nil
}

// guide shows the Sprite its folder.
func (w *world) guide() error {
	rel := guideInside[1:]
	if err := w.tree.mkdir(rel); err != nil {
		return err
	}
	if err := w.tree.bind(Guide(stagedSprite), rel); err != nil {
		return err
	}
	return w.tree.restrict(rel, shielded|unix.MOUNT_ATTR_RDONLY)
}

// Tasks are what keeps a Sprite warm though nothing is seen to run in it.
type Tasks interface {
	Live() bool
	Serve(net.Listener) error
}

// serveTasks serves the Sprite's own API on a socket in its guide, until the process ends.
func (s *shim) serveTasks() (err error) {
	if s.guide, err = os.Open(Guide(s.cfg.Dir)); err != nil { // kept open, like the shim's own folder
		return fmt.Errorf("open guide: %w", err)
	}
	path := "/proc/self/fd/" + strconv.Itoa(int(s.guide.Fd())) + "/api.sock"
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove old api socket: %w", err)
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return fmt.Errorf("listen on api socket: %w", err)
	}
	if err := os.Chmod(path, 0o666); err != nil { // nobody else on the host gets into the Sprite's folder
		return fmt.Errorf("listen on api socket: %w", err)
	}
	go attempt("tasks", func() error { return s.tasks.Serve(ln) })
	return nil
}

// tasksOver starts the idle time that the tasks have kept from passing.
func (s *shim) tasksOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest()
}
