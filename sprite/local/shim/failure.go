package shim

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Failure says why no Sprite can run on this host, and what an operator can do about it.
type Failure struct {
	Step   string `json:"step"`
	Cause  string `json:"cause"`
	Remedy string `json:"remedy,omitempty"`
}

func (f *Failure) Error() string {
	text := fmt.Sprintf("cannot start the sprite: %s: %s", f.Step, f.Cause)
	if f.Remedy != "" {
		text += ". " + f.Remedy
	}
	return text
}

// Steps that have a remedy of their own.
const (
	stepNamespaces = "make namespaces"
	stepIdmap      = "map the ids of"
	stepOverlay    = "mount the overlay of"
	stepProc       = "mount /proc"
)

// failure explains err, which ended step, by what the host says about itself.
func failure(step string, err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	return &Failure{Step: step, Cause: err.Error(), Remedy: remedy(step, err)}
}

func remedy(step string, err error) string {
	switch {
	case step == stepNamespaces:
		return namespacesRemedy(err)
	case strings.HasPrefix(step, stepIdmap):
		return "Sprites of root need a kernel of 5.19 or newer and ext4, xfs or btrfs: put --data-dir and /usr on such a file system, or run the server as an ordinary user"
	case strings.HasPrefix(step, stepOverlay):
		return "The data directory must be on ext4, xfs or btrfs, not on overlayfs, tmpfs or NFS (in a container: a volume), with a kernel of 5.11 or newer: choose another one with --data-dir"
	case step == stepProc:
		return "/proc is masked here; in Docker run the container with: --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined"
	default:
		return ""
	}
}

// namespacesRemedy names the first setting that forbids user namespaces.
func namespacesRemedy(err error) string {
	root := os.Geteuid() == 0
	switch {
	case errors.Is(err, unix.ENOSPC) || sysctl("user/max_user_namespaces") == "0":
		return "User namespaces are switched off; allow them with: sysctl -w user.max_user_namespaces=65536"
	case sysctl("kernel/unprivileged_userns_clone") == "0" && !root:
		return "User namespaces are forbidden to ordinary users; allow them with: sysctl -w kernel.unprivileged_userns_clone=1"
	case sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1" && !root:
		return apparmorRemedy()
	case errors.Is(err, unix.EACCES):
		return "The server's binary must be executable by everyone; allow it with: chmod 755 " + executable()
	case errors.Is(err, unix.EPERM):
		return "In Docker run the container with: --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined"
	default:
		return ""
	}
}

// executable is the path of the binary, as far as it is known.
func executable() string {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return "/usr/local/bin/aod"
	}
	return exe
}

func apparmorRemedy() string {
	return "AppArmor forbids user namespaces to this binary; allow it with: printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile aod " +
		executable() + " flags=(unconfined) { userns, }\\n' | sudo tee /etc/apparmor.d/aod && sudo apparmor_parser -r /etc/apparmor.d/aod"
}

// sysctl reads a kernel setting; empty when the kernel does not have it.
func sysctl(name string) string {
	b, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
