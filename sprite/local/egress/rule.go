package egress

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

const (
	allow = "allow"
	deny  = "deny"
	// maxRules is far above what a person writes, and small enough to check each name against.
	maxRules = 4096
	// maxName is the length of a name in DNS (RFC 1035 section 2.3.4), maxLabel of a part of it.
	maxName, maxLabel = 253, 63
)

// Rule is one rule of a network policy: either a Domain with an Action, or Include "defaults", the usual domains of development.
//
// A Domain is NAME, *.NAME (every name below NAME, not NAME itself) or *, each with :PORT or for the ports 80 and 443 alone;
// or localhost:PORT, or 127.0.0.1:PORT, a loopback port of the host that the operator forwards. A denial without a port is for every port.
type Rule struct {
	Domain  string `json:"domain,omitempty"`
	Action  string `json:"action,omitempty"`
	Include string `json:"include,omitempty"`
}

// Policy is what a Sprite may reach. Without rules that is every public address. With rules it is what they allow, nothing else:
// an exact name decides before *.NAME, and that before *; among equals the first one.
type Policy struct {
	Rules []Rule `json:"rules"`
}

// MarshalJSON writes no rules as an empty list, never as null.
func (p Policy) MarshalJSON() ([]byte, error) {
	type plain Policy
	if p.Rules == nil {
		p.Rules = []Rule{}
	}
	return json.Marshal(plain(p))
}

// Unrestricted says whether the policy has no rules.
func (p Policy) Unrestricted() bool { return len(p.Rules) == 0 }

// Validate explains the first rule that cannot be kept.
func (p Policy) Validate() error {
	if len(p.Rules) > maxRules {
		return fmt.Errorf("there are %d rules, at most %d are possible", len(p.Rules), maxRules)
	}
	for i, r := range p.Rules {
		if err := r.validate(); err != nil {
			return fmt.Errorf("rules[%d]: %w", i, err)
		}
	}
	return nil
}

func (r Rule) validate() error {
	switch {
	case (r.Domain == "") == (r.Include == ""):
		return errors.New("exactly one of domain and include is needed")
	case r.Include != "" && r.Include != "defaults":
		return fmt.Errorf("include must be %q, not %s", "defaults", quoted(r.Include))
	case r.Action != allow && r.Action != deny && (r.Include == "" || r.Action != ""):
		return fmt.Errorf("action must be allow or deny, not %s", quoted(r.Action))
	case r.Include != "":
		return nil
	}
	_, err := parsePattern(r.Domain)
	return err
}

// pattern is the domain of a rule. Port 0 stands for those that go without saying.
type pattern struct {
	wildcard bool
	name     string // empty with wildcard: every name
	port     uint16
}

// parsePattern reads the domain of a rule.
func parsePattern(s string) (pattern, error) {
	var p pattern
	host, port, ported := strings.Cut(s, ":")
	if addr, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return p, fmt.Errorf("domain must be a name, not the IP address %s", addr)
	}
	if ported {
		n, err := parsePort(port)
		if err != nil {
			return p, fmt.Errorf("domain %s: %w", quoted(s), err)
		}
		p.port = n
	}
	host = canonical(host)
	p.name, p.wildcard = strings.CutPrefix(host, "*")
	if p.wildcard && p.name != "" {
		var below bool
		if p.name, below = strings.CutPrefix(p.name, "."); !below {
			return p, fmt.Errorf("domain %s: a wildcard is * or *.NAME", quoted(s))
		}
	}
	switch {
	case p.wildcard && p.name == "":
		return p, nil
	case !p.wildcard && loopbackHost(host):
		if p.port == 0 {
			return p, fmt.Errorf("domain %s needs a port: %s:PORT", quoted(s), host)
		}
		return p, nil
	case endsInNumber(p.name):
		return p, fmt.Errorf("domain must be a name, not the IP address %s", quoted(s))
	}
	if err := checkName(p.name); err != nil {
		return p, fmt.Errorf("domain %s: %w", quoted(s), err)
	}
	return p, nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%s is not a port", quoted(s))
	}
	return uint16(n), nil
}

// canonical is the one spelling under which names are compared.
func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// checkName says what keeps s, a canonical name, from being one. Names are ASCII: an international one is written as xn--….
func checkName(s string) error {
	if s == "" || len(s) > maxName {
		return fmt.Errorf("a name has 1 to %d characters", maxName)
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > maxLabel {
			return fmt.Errorf("each part of a name has 1 to %d characters", maxLabel)
		}
		for _, c := range []byte(label) {
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return errors.New("a name has only letters, digits, hyphens and dots")
			}
		}
	}
	return nil
}

// loopbackHost says whether host is how a forward is written.
func loopbackHost(host string) bool { return host == "localhost" || host == "127.0.0.1" }

// quoted shows what came from outside on one line of bounded length.
func quoted(s string) string {
	if len(s) > 2*maxName {
		s = s[:2*maxName] + "…"
	}
	return strconv.QuoteToASCII(s)
}
