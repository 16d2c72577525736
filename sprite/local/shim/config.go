package shim

import (
	"encoding/json"
	"path/filepath"
	"strconv"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/nic"
)

// IDs is how many user and group ids a Sprite has when the host runs as root.
const IDs = 65536

// Config says what a shim needs to know about its Sprite.
type Config struct {
	Name string `json:"name"`
	// Isolation is what keeps the Sprite's commands apart from the host; empty means Namespaces.
	Isolation Isolation `json:"isolation,omitempty"`
	// Dir is the folder of the Sprite on the host.
	Dir string `json:"dir"`
	// Base is the first of the Sprite's 65536 host ids; 0 means that the host runs as an ordinary user, who becomes the Sprite's root.
	Base int `json:"base,omitempty"`
	// Skeleton is the folder that BuildSkeleton has made, shared by all Sprites.
	Skeleton string `json:"skeleton,omitempty"`
	// Snapshot is the folder of another Sprite's trees, of which the layers come between the host's and this Sprite's; empty means none.
	// Where Base is not 0, its files have the ids that the Sprite sees.
	Snapshot string `json:"snapshot,omitempty"`
	// Shares are host folders that the Sprite can read.
	Shares []Share `json:"shares,omitempty"`
	// Policy says which hosts the Sprite can reach, in the words of the API. Only the Carrier reads it, and the Sprite.
	Policy json.RawMessage `json:"policy,omitempty"`
	// Network is what else the Carrier is told.
	Network json.RawMessage `json:"network,omitempty"`
	// Ports listen on the Sprite's loopback: that of the proxy first, then the forwarded ones.
	Ports []uint16 `json:"ports,omitempty"`
	// Idle is how long a Sprite without processes stays warm.
	Idle time.Duration `json:"idle"`
	// Processes is how many processes and threads the Sprite's commands may have at once; 0 means 4096.
	Processes int `json:"processes,omitempty"`
	// Memory is how many bytes of memory the Sprite may use; 0 means no limit.
	Memory int64 `json:"memory,omitempty"`
	// CPUs is how many processors' time the Sprite may use; 0 means no limit.
	CPUs float64 `json:"cpus,omitempty"`
	// Disk is how many bytes the Sprite's folder may have; 0 means no limit.
	Disk int64 `json:"disk,omitempty"`
}

// Share mounts the host folder Source read-only at Target in every Sprite; what the host adds later appears at once.
type Share struct {
	Source string `json:"source"`
	Target string `json:"target"`
}

// etcTree is layered over the skeleton's copy: not all of the host's is for a Sprite to see.
const etcTree = "/etc"

// layered are the trees that a Sprite sees as its own and changes in layers of its own.
var layered = []string{"/usr", "/var/lib/dpkg", "/var/lib/apt", etcTree}

// source is the host folder under the layer of a tree.
func (c Config) source(tree string) string {
	if tree == etcTree {
		return c.Skeleton + etcTree
	}
	return tree
}

// Layered lists the folders of a Sprite that are not in its root folder: layers over the host's, mounts, and shares.
func Layered(shares []Share) []string {
	out := append([]string{"/dev", "/proc", "/run", guideInside}, layered...)
	for _, s := range shares {
		out = append(out, s.Target)
	}
	return out
}

// Root is the folder that a Sprite sees as its root.
func Root(dir string) string { return filepath.Join(dir, "root") }

// layersDir holds the upper and work folders of the overlays, out of the Sprite's sight.
func layersDir(dir string) string { return filepath.Join(dir, "ov") }

// upperOf holds what a Sprite has changed of a layered tree.
func upperOf(dir, tree string) string { return layersDir(dir) + tree + "/u" }

const (
	// ownPath is where the Sprite's own programs are: those that pip, cargo and go install for one user, too.
	ownPath = "/.sprite/bin:/home/sprite/.local/bin:/home/sprite/.cargo/bin:/home/sprite/go/bin:/opt/aod/bin"
	// goPath is where Go's own installer puts it.
	goPath     = "/usr/local/go/bin"
	searchPath = ownPath + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:" + goPath

	// Home is the home folder and default working directory of a Sprite.
	Home = "/home/sprite"
)

// defaultEnv is the whole environment of a command that brings none.
func defaultEnv() []string { return append(proxyEnv(), plainEnv()...) }

// plainEnv is that of a command on the host's own network.
func plainEnv() []string {
	return []string{
		"PATH=" + searchPath,
		"HOME=" + Home,
		"USER=root",
		"LOGNAME=root",
		"SHELL=/bin/bash",
		"TERM=xterm-256color",
		"LANG=C.UTF-8",
		"IS_SANDBOX=1",
		"DEBIAN_FRONTEND=noninteractive",
		"PIP_BREAK_SYSTEM_PACKAGES=1", // the Sprite is a machine of its own
		"PIP_ROOT_USER_ACTION=ignore",
	}
}

// proxyEnv shows programs the way out that is fast and says why it refuses. What ignores it goes through the Sprite's own interface.
func proxyEnv() []string {
	proxy := "http://127.0.0.1:" + strconv.Itoa(nic.ProxyPort)
	const direct = "localhost,127.0.0.1,::1"
	return []string{
		"HTTP_PROXY=" + proxy, "HTTPS_PROXY=" + proxy, "ALL_PROXY=" + proxy, "NO_PROXY=" + direct,
		"http_proxy=" + proxy, "https_proxy=" + proxy, "all_proxy=" + proxy, "no_proxy=" + direct,
		"NODE_USE_ENV_PROXY=1",
	}
}
