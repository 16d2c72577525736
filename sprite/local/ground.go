package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/agent-on-demand/aod/sprite/local/shim"
)

// snapshotFormat is raised when what a snapshot holds changes its meaning.
const snapshotFormat = 1

// grounds are what shows that somebody has installed, upgraded or removed something on the machine: whoever does that changes one of these
// folders, or the account of a package manager.
var grounds = []string{
	"/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/local", "/usr/local/bin", "/usr/local/lib",
	"/var/lib/dpkg/status", "/var/lib/rpm", "/var/lib/pacman/local", "/lib/apk/db/installed",
}

// ground is the identity of what every Sprite is layered over. Files that are written in place, in folders that are not listed, by nobody's
// package manager do not show in it.
func (h *Host) ground() (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, snapshotFormat, h.opts.Isolation, shim.ManyIDs(), runtime.GOARCH, h.opts.Shares)
	release, err := os.ReadFile("/etc/os-release")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("identify this machine: %w", err)
	}
	fmt.Fprintf(sum, "%q\n", release)
	for _, path := range append([]string{h.opts.Skeleton}, grounds...) {
		fi, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
			fmt.Fprintln(sum, path)
		case err != nil:
			return "", fmt.Errorf("identify this machine: %w", err)
		default:
			fmt.Fprintln(sum, path, fi.ModTime().UnixNano())
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
