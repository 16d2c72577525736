package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Packages is a folder of programs from npm that is shared, read-only, with every
// Sprite. Each is installed once:
//
//	bin/claude                  a link into the version in use
//	claude/2.1.197/             what npm has installed
type Packages struct{ dir string }

// OpenPackages makes the folder dir, an absolute path, if there is none.
func OpenPackages(dir string) (*Packages, error) {
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		return nil, fmt.Errorf("make the runtimes' folder: %w", err)
	}
	return &Packages{dir: dir}, nil
}

// Install makes programs of an npm package appear in bin, the one named binary among
// them, at exactly that version. programs says where each is in npm's folder. The
// package's own scripts are not run. say is told when it takes long.
func (p *Packages) Install(ctx context.Context, name, version, binary string, programs map[string]string, say func(string)) error {
	if programs[binary] == "" {
		return fmt.Errorf("%s has no program for this machine's processor", name)
	}
	unlock, err := lockFile(filepath.Join(p.dir, ".lock")) // servers may share the folder
	if err != nil {
		return fmt.Errorf("lock the runtimes' folder: %w", err)
	}
	defer unlock()
	target := filepath.Join(p.dir, binary, version)
	if _, err := os.Stat(filepath.Join(target, programs[binary])); errors.Is(err, fs.ErrNotExist) {
		say("npm install " + name + "@" + version + ", once for all sessions")
		if err := p.fetch(ctx, name+"@"+version, target, programs[binary]); err != nil {
			return err
		}
	}
	for program, path := range programs {
		if err := link(filepath.Join("..", binary, version, path), filepath.Join(p.dir, "bin", program)); err != nil {
			return err
		}
	}
	return nil
}

// installShown is how many lines of npm's a failure quotes: the last ones.
const installShown = 10

// fetch installs into a draft that takes its place when it is complete.
func (p *Packages) fetch(ctx context.Context, what, target, executable string) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return fmt.Errorf("%s is not installed and npm was not found: install Node.js 20 or newer with npm on the server's machine", what)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	draft, err := os.MkdirTemp(filepath.Dir(target), ".draft-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(draft)
	var words bytes.Buffer
	cmd := exec.CommandContext(ctx, npm, "install", "--prefix", draft, "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--loglevel=error", what)
	cmd.Stdout, cmd.Stderr = &words, &words
	cmd.Env = slices.DeleteFunc(os.Environ(), secret)
	cmd.WaitDelay = 5 * time.Second // for what npm has started
	if err := cmd.Run(); err != nil {
		said := strings.Split(strings.TrimSpace(words.String()), "\n")
		return fmt.Errorf("npm install %s: %w\n%s", what, err, strings.Join(said[max(0, len(said)-installShown):], "\n"))
	}
	if _, err := os.Stat(filepath.Join(draft, executable)); err != nil {
		return fmt.Errorf("npm install %s: it brought no program for this machine: %w", what, err)
	}
	if err := os.Chmod(draft, 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(target); err != nil { // left incomplete by somebody's hand
		return err
	}
	return os.Rename(draft, target)
}

// secret picks out the variables of the server that are not npm's business.
func secret(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	if strings.HasPrefix(name, "NPM_") { // a registry's, say
		return false
	}
	return strings.HasPrefix(name, "AOD_") || strings.HasPrefix(name, "SPRITES_") || strings.HasPrefix(name, "OTEL_") || strings.HasSuffix(name, "_API_KEY") || strings.HasSuffix(name, "_TOKEN")
}

// link makes a symbolic link, or replaces what was there, in one step.
func link(to, path string) error {
	if now, err := os.Readlink(path); err == nil && now == to {
		return nil
	}
	draft := path + ".new"
	if err := os.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(to, draft); err != nil {
		return err
	}
	return os.Rename(draft, path)
}
