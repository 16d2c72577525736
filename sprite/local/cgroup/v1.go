package cgroup

import "strconv"

// home1 finds the groups of version 1 that this process is in. Processes may stand beside groups there, so nobody has to move.
func home1(mounts []mount, own memberships) Home {
	h := Home{version: 1, bases: map[string]string{}, why: "run the server as root, or by systemd with Delegate=yes and cgroup v2"}
	for _, c := range controllers {
		for _, m := range mounts {
			if m.kind == "cgroup" && m.has(c) {
				if base := m.at(own[c]); writable(base) {
					h.bases[c] = base
				}
			}
		}
	}
	return h
}

// settings1 are the files of version 1. The limit with swap may never be lower than that without, so it comes second.
func settings1(l Limits) []setting {
	var out []setting
	if l.Memory > 0 {
		bytes := strconv.FormatInt(l.Memory, 10)
		out = append(out, setting{"memory", "memory.limit_in_bytes", bytes, false}, setting{"memory", "memory.memsw.limit_in_bytes", bytes, true})
	}
	if l.CPUs > 0 {
		out = append(out, setting{"cpu", "cpu.cfs_period_us", strconv.Itoa(period), false}, setting{"cpu", "cpu.cfs_quota_us", quota(l.CPUs), false})
	}
	if l.Processes > 0 {
		out = append(out, setting{"pids", "pids.max", strconv.Itoa(l.Processes), false})
	}
	return out
}

// period is in microseconds what CPU time is counted by.
const period = 100_000

// quota is the CPU time of a period; the kernel takes no less than a millisecond.
func quota(cpus float64) string { return strconv.Itoa(max(1000, int(cpus*period))) }
