package shim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"

	"github.com/agent-on-demand/aod/sprite/local/cgroup"
)

// groupPrefix begins the names of the control groups of all Sprites in a host's folder, and of no other host's.
func groupPrefix(host string) string {
	sum := sha256.Sum256([]byte(host))
	return hex.EncodeToString(sum[:6]) + "-"
}

// groupName is that of the Sprite in dir.
func groupName(dir string) string { return groupPrefix(filepath.Dir(dir)) + filepath.Base(dir) }

// joinGroup makes the control group that the Sprite's processes will be in; nil where there are none. The init and the supervisors use
// memory and processes as well, so a command alone cannot reach the limit of processes.
func (s *shim) joinGroup() (*cgroup.Group, error) {
	processes := s.cfg.Processes
	if processes <= 0 {
		processes = defaultProcesses
	}
	return cgroup.Find().Make(groupName(s.cfg.Dir), cgroup.Limits{Memory: s.cfg.Memory, CPUs: s.cfg.CPUs, Processes: processes + reserve})
}

// leaveGroup removes the control group of a Sprite without processes.
func (s *shim) leaveGroup() error { return cgroup.Find().Remove(groupName(s.cfg.Dir)) }

// SweepGroups removes the control groups of those Sprites in a host's folder that no shim serves.
func SweepGroups(host string) error {
	home := cgroup.Find()
	prefix := groupPrefix(host)
	for _, name := range home.Names(prefix) {
		dir := filepath.Join(host, name[len(prefix):])
		running, err := Running(dir)
		if err != nil {
			return err
		}
		if running {
			continue
		}
		if err := home.Remove(name); err != nil {
			return fmt.Errorf("sweep control groups: %w", err)
		}
	}
	return nil
}
