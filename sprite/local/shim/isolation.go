package shim

import (
	"os"
	"path/filepath"
	"strings"
)

// Isolation is what keeps the commands of a Sprite apart from their host.
type Isolation string

const (
	// Namespaces make every Sprite a machine of its own.
	Namespaces Isolation = "namespaces"
	// None runs commands as the host's own user, among its processes and files, with all rights of that user. It is for machines that are
	// the isolation themselves.
	None Isolation = "none"
)

// ownTrees are the folders of a Sprite that its commands find in its own folder where they see the host's root.
var ownTrees = []string{Home, "/workspace"}

// Real answers where the Sprite's commands find what has the given path in a machine of its own.
func (c Config) Real(path string) string {
	if c.Isolation != None {
		return path
	}
	for _, own := range ownTrees {
		if below(path, own) {
			return Root(c.Dir) + path
		}
	}
	if below(path, guideInside) {
		return Guide(c.Dir) + path[len(guideInside):]
	}
	for _, s := range c.Shares {
		if below(path, s.Target) {
			return s.Source + path[len(s.Target):]
		}
	}
	return path
}

// below says whether path is dir or in it.
func below(path, dir string) bool {
	path = filepath.Clean(path)
	return path == dir || strings.HasPrefix(path, dir+"/")
}

// adapt makes a command that is meant for a machine of its own one for the host.
func (c Config) adapt(cmd Command) Command {
	if c.Isolation != None {
		return cmd
	}
	if !filepath.IsAbs(cmd.Dir) {
		cmd.Dir = filepath.Join(Home, cmd.Dir)
	}
	cmd.Dir = c.Real(cmd.Dir)
	if cmd.Path == "" {
		cmd.Path = cmd.Argv[0]
	}
	cmd.Path = c.Real(cmd.Path)
	if cmd.Env == nil {
		cmd.Env = c.hostEnv()
	}
	return cmd
}

// hostEnv is the whole environment of a command that brings none and runs on the host itself.
func (c Config) hostEnv() []string {
	env := []string{
		"PATH=" + c.realPath(searchPath),
		"HOME=" + c.Real(Home),
		"TMPDIR=" + Root(c.Dir) + "/tmp",
	}
	for _, e := range plainEnv() {
		name, _, _ := strings.Cut(e, "=")
		switch name {
		case "PATH", "HOME":
		case "USER", "LOGNAME":
			if os.Geteuid() == 0 {
				env = append(env, e)
			}
		default:
			env = append(env, e)
		}
	}
	return env
}

// realPath is a search path of the Sprite as it is on the host.
func (c Config) realPath(list string) string {
	entries := strings.Split(list, ":")
	for i, e := range entries {
		entries[i] = c.Real(e)
	}
	return strings.Join(entries, ":")
}
