package egress

import (
	"cmp"
	"slices"
	"strings"
)

// rules are a policy made ready for questions.
type rules struct {
	limited bool
	exact   map[string][]verdict
	below   map[string][]verdict // by the NAME of *.NAME
	all     []verdict
	ports   []uint16 // named by any rule
	local   []verdict
}

// verdict is what a rule says about a name that it matches.
type verdict struct {
	order int // its place in the policy
	port  uint16
	allow bool
}

// compile reads p. A rule that is not valid counts as one that matches nothing, so that the policy stays closed.
func compile(p Policy) *rules {
	rs := &rules{limited: !p.Unrestricted(), exact: map[string][]verdict{}, below: map[string][]verdict{}}
	for i, r := range p.Rules {
		v := verdict{order: i, allow: r.Action != deny}
		if r.validate() != nil {
			continue
		}
		if r.Include != "" {
			for _, name := range defaultDomains {
				rs.exact[name] = append(rs.exact[name], v)
				rs.below[name] = append(rs.below[name], v)
			}
			continue
		}
		at, err := parsePattern(r.Domain)
		if err != nil {
			continue
		}
		if v.port = at.port; v.port != 0 {
			rs.ports = append(rs.ports, v.port)
		}
		switch {
		case !at.wildcard && loopbackHost(at.name):
			rs.local = append(rs.local, v)
		case !at.wildcard:
			rs.exact[at.name] = append(rs.exact[at.name], v)
		case at.name != "":
			rs.below[at.name] = append(rs.below[at.name], v)
		default:
			rs.all = append(rs.all, v)
		}
	}
	slices.Sort(rs.ports)
	rs.ports = slices.Compact(rs.ports)
	return rs
}

// allows decides about a port of a name. The extra ports count as named wherever a rule names none.
func (rs *rules) allows(name string, port uint16, extra []uint16) bool {
	if v, ok := first(rs.exact[name], port, extra); ok {
		return v.allow
	}
	var matching []verdict
	for rest := name; ; {
		_, parent, found := strings.Cut(rest, ".")
		if !found {
			break
		}
		if v, ok := first(rs.below[parent], port, extra); ok {
			matching = append(matching, v)
		}
		rest = parent
	}
	if len(matching) > 0 {
		return slices.MinFunc(matching, func(a, b verdict) int { return cmp.Compare(a.order, b.order) }).allow
	}
	v, ok := first(rs.all, port, extra)
	return ok && v.allow
}

// allowsForward decides about a loopback port of the host, for which no wildcard speaks.
func (rs *rules) allowsForward(port uint16) bool {
	v, ok := first(rs.local, port, nil)
	return ok && v.allow
}

// knows says whether any port of name is allowed, which is when the name may be looked up.
func (rs *rules) knows(name string, extra []uint16) bool {
	for _, ports := range [][]uint16{{80, 443}, extra, rs.ports} {
		for _, port := range ports {
			if rs.allows(name, port, extra) {
				return true
			}
		}
	}
	return false
}

// first is the first verdict, in the order of the policy, that speaks about port.
func first(vs []verdict, port uint16, extra []uint16) (verdict, bool) {
	for _, v := range vs {
		if v.port == port || v.port == 0 && (!v.allow || port == 80 || port == 443 || slices.Contains(extra, port)) {
			return v, true
		}
	}
	return verdict{}, false
}
