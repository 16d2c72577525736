package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mount is a hierarchy of groups as mountinfo describes it.
type mount struct {
	root, point, kind string
	options           []string
}

func (m mount) has(controller string) bool { return slices.Contains(m.options, controller) }

// at is where the group of this path stands. A container may see only a part of the hierarchy, under the path of its own group.
func (m mount) at(group string) string {
	rest := strings.TrimPrefix(group, strings.TrimSuffix(m.root, "/"))
	if rest == group && m.root != "/" {
		return m.point
	}
	return filepath.Join(m.point, filepath.Clean("/"+rest))
}

// memberships are the paths of a process's groups by controller; that of version 2 has no name.
type memberships map[string]string

// parseMounts reads /proc/self/mountinfo and keeps what concerns groups.
func parseMounts(text string) []mount {
	var out []mount
	for line := range strings.Lines(text) {
		left, right, found := strings.Cut(line, " - ")
		place, what := strings.Fields(left), strings.Fields(right)
		if !found || len(place) < 5 || len(what) < 3 || what[0] != "cgroup" && what[0] != "cgroup2" {
			continue
		}
		out = append(out, mount{root: unescape(place[3]), point: unescape(place[4]), kind: what[0], options: strings.Split(what[2], ",")})
	}
	return out
}

// unescape undoes mountinfo's octal numbers for what separates its words.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// parseMemberships reads /proc/self/cgroup.
func parseMemberships(text string) memberships {
	out := memberships{}
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for name := range strings.SplitSeq(parts[1], ",") {
			out[name] = parts[2]
		}
	}
	return out
}

func writable(dir string) bool { return unix.Access(dir, unix.W_OK) == nil }

// Find says where this process may make groups. It changes nothing.
func Find() Home {
	h, _ := find()
	return h
}

// Settle does what has to be done once before groups can be made: in a delegated group of version 2 this process steps aside. It answers
// where groups can be made then.
func Settle() (Home, error) {
	h, dir := find()
	if dir == "" {
		return h, nil
	}
	if err := moveAside(dir); err != nil {
		return Home{why: err.Error()}, err
	}
	return h, nil
}

func find() (h Home, settle string) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Home{why: fmt.Sprintf("/proc cannot be read: %v", err)}, ""
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return Home{why: fmt.Sprintf("this kernel has no control groups: %v", err)}, ""
	}
	return decide(parseMounts(string(mounts)), parseMemberships(string(own)), os.Geteuid() == 0)
}

// decide prefers the version that limits something. The kernel gives each controller to one of them.
func decide(mounts []mount, own memberships, root bool) (h Home, settle string) {
	two, settle := home2(mounts, own, root)
	one := home1(mounts, own)
	switch {
	case len(two.bases) > 0 && len(two.bases) >= len(one.bases):
		return two, settle
	case len(one.bases) > 0:
		return one, ""
	case slices.ContainsFunc(mounts, func(m mount) bool { return m.kind == "cgroup" && (m.has("memory") || m.has("pids")) }):
		return one, ""
	}
	return two, ""
}
