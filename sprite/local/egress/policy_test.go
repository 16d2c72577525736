package egress_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/agent-on-demand/aod/sprite/local/egress"
)

func TestValidateNamesTheRule(t *testing.T) {
	t.Parallel()
	for _, domain := range []string{
		"example.com", "*.example.com", "*", "a_b.test", "EXAMPLE.com.", "example.com:8443", "*.x.test:22", "*:22", "localhost:8080", "127.0.0.1:1",
	} {
		if err := allowing(domain).Validate(); err != nil {
			t.Errorf("%q: %v", domain, err)
		}
	}
	for _, domain := range []string{
		" ", ".", "a..b", "*x.test", "*.*.test", "x.*", "**", "10.0.0.1", "10.0.0.1:80", "127.0.0.1", "localhost", "::1", "[::1]:80", "0x7f.1",
		"2130706433", "exämple.com", "x.test:0", "x.test:65536", "x.test:", "x.test:http", "http://x.test", "x.test/a", "a b", "x\n.test",
		strings.Repeat("a", 64) + ".test", strings.Repeat("a.", 127) + "test", "user@x.test", "10.0.0.0/8",
	} {
		err := allowing("ok.test", domain).Validate()
		if err == nil || !strings.HasPrefix(err.Error(), "rules[1]: ") || strings.ContainsAny(err.Error(), "\n") {
			t.Errorf("%q: %v", domain, err)
		}
	}
	for _, r := range []egress.Rule{
		{}, {Domain: "x.test"}, {Domain: "x.test", Action: "maybe"}, {Action: "allow"}, {Include: "all"}, {Include: "defaults", Action: "x"},
		{Domain: "x.test", Action: "allow", Include: "defaults"},
	} {
		if (egress.Policy{Rules: []egress.Rule{r}}).Validate() == nil {
			t.Errorf("%+v is valid", r)
		}
	}
	for _, action := range []string{"", "allow", "deny"} {
		if err := (egress.Policy{Rules: []egress.Rule{{Include: "defaults", Action: action}}}).Validate(); err != nil {
			t.Error(err)
		}
	}
	if (egress.Policy{Rules: make([]egress.Rule, 5000)}).Validate() == nil {
		t.Error("5000 rules are valid")
	}
}

func TestPolicyIsNeverNull(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(struct{ P egress.Policy }{})
	if err != nil || string(b) != `{"P":{"rules":[]}}` {
		t.Errorf("%s %v", b, err)
	}
	b, err = json.Marshal(egress.Policy{Rules: []egress.Rule{{Include: "defaults"}, {Domain: "*", Action: "deny"}}})
	if err != nil || string(b) != `{"rules":[{"include":"defaults"},{"domain":"*","action":"deny"}]}` {
		t.Errorf("%s %v", b, err)
	}
}

// TestSpecificityDecides asks the proxy. An allowed name is unknown to the name server, which is a 502; a denied one is a 403.
func TestSpecificityDecides(t *testing.T) {
	t.Parallel()
	n := startNameserver(t, nil)
	w := open(t, egress.Config{Nameserver: n.LocalAddr().String()})
	for _, c := range []struct{ rules, allowed, denied string }{
		{"+ok.test", "ok.test:80 ok.test:443 OK.Test.:443", "ok.test:22 x.ok.test:80 test:80 notok.test:80 ok.test.evil.test:80"},
		{"+*.ok.test", "a.ok.test:80 a.b.ok.test:443", "ok.test:80 aok.test:80 a.ok.test:22"},
		{"+*", "a.test:80 b.test:443", "a.test:22"},
		{"-*", "", "a.test:80"},
		{"-a.test", "", "a.test:80 b.test:80"},
		{"+* -*.bad.test", "a.test:80 bad.test:80", "x.bad.test:80"},
		{"-* +*.ok.test -x.ok.test", "a.ok.test:80", "x.ok.test:80 b.test:80"},
		{"+*.a.b.test -*.b.test", "x.a.b.test:80", "x.b.test:80"},
		{"-*.b.test +*.a.b.test", "", "x.a.b.test:80"}, // the first wildcard, not the longest
		{"+a.test -a.test", "a.test:80", ""},
		{"-a.test +a.test", "", "a.test:80"},
		{"+a.test:8443", "a.test:8443", "a.test:443 a.test:80"},
		{"+a.test +*:22", "a.test:443 a.test:22 b.test:22", "b.test:443"},
		{"+a.test:22 -a.test", "a.test:22", "a.test:80"},
		{"-a.test +a.test:22", "", "a.test:22"},
		{"+*.x.test:9", "a.x.test:9", "a.x.test:80 x.test:9"},
		{"defaults", "github.com:443 api.github.com:443 proxy.golang.org:443 api.anthropic.com:443", "github.com:22 evil.test:443 localhost:80"},
		{"defaults -pypi.org -*.github.com", "github.com:443 api.github.com:443", ""}, // one class: the first
		{"-pypi.org defaults", "files.pythonhosted.org:443", "pypi.org:443"},
		{"-defaults +*", "x.test:443", "github.com:443 api.github.com:443"},
	} {
		w.SetPolicy(policyOf(c.rules))
		for _, target := range strings.Fields(c.allowed) {
			if _, _, r := w.connect(t, target); r.StatusCode != 502 {
				t.Errorf("%q denies %s: %d", c.rules, target, r.StatusCode)
			}
		}
		for _, target := range strings.Fields(c.denied) {
			before := len(n.questions())
			_, _, r := w.connect(t, target)
			if got := r.Header.Get("X-Sprite-Egress"); r.StatusCode != 403 || got != target+" is not on this sprite's network allow-list" {
				t.Errorf("%q allows %s: %d %q", c.rules, target, r.StatusCode, got)
			}
			if len(n.questions()) != before {
				t.Errorf("%q: %s was looked up before it was denied", c.rules, target)
			}
		}
	}
}

// policyOf reads +allowed, -denied, defaults and -defaults.
func policyOf(rules string) (p egress.Policy) {
	for r := range strings.FieldsSeq(rules) {
		action := map[bool]string{true: "deny", false: "allow"}[r[0] == '-']
		if domain := strings.TrimLeft(r, "+-"); domain == "defaults" {
			p.Rules = append(p.Rules, egress.Rule{Include: domain, Action: action})
		} else {
			p.Rules = append(p.Rules, egress.Rule{Domain: domain, Action: action})
		}
	}
	return p
}

func TestInvalidRuleKeepsThePolicyClosed(t *testing.T) {
	t.Parallel()
	w := open(t, egress.Config{Policy: egress.Policy{Rules: []egress.Rule{{Domain: "*"}, {Include: "x"}, {Domain: "a b", Action: "allow"}}}})
	if _, _, r := w.connect(t, "a.test:443"); r.StatusCode != 403 {
		t.Errorf("status %d", r.StatusCode)
	}
}

func TestHostEntries(t *testing.T) {
	t.Parallel()
	good := []string{
		"db", "db.corp:5432", "db.corp=10.1.2.3", "db.corp:5432=10.1.2.3", "db.corp:443=10.1.2.3:8443", "v6.corp:443=[fd00::1]:8443", "v6.corp=fd00::1", "10.0.0.5", "10.0.0.5:80", "[fd00::1]:80", "fd00::1",
		"10.0.0.0/8", "fd00::/8", "localhost:8080", "127.0.0.1:8080", "127.0.0.1:9", "127.0.0.1",
	}
	hosts := hostList(t, good...)
	if got := egress.Forwards(hosts); !reflect.DeepEqual(got, []uint16{9, 8080}) {
		t.Errorf("forwards: %v", got)
	}
	b, err := json.Marshal(hosts)
	if err != nil {
		t.Fatal(err)
	}
	var back []egress.Host
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, hosts) || fmt.Sprint(hosts[3]) != good[3] {
		t.Errorf("%s: %v %v", b, back, err)
	}
	for _, entry := range []string{
		"", "*", "*.corp", "a b", "db:", "db:0", "db:99999", "db=", "db=x", "db=10.0.0.1:80", "db:80=10.0.0.1:0", "db:80=10.0.0.1:99999", "db:80=fd00::1:8443x", "db=fe80::1%eth0", "localhost", "localhost=10.0.0.1",
		"localhost:80=127.0.0.1", "10.0.0.1:0", "10.0.0.0/33", "::ffff:10.0.0.0/104", "0x7f.1", "2130706433", "fe80::1%eth0", "http://db", "a/b", "10.0.0.1=10.0.0.2",
	} {
		if got, err := egress.ParseHosts([]string{entry}); err == nil {
			t.Errorf("%q was taken: %v", entry, got)
		}
		if json.Unmarshal([]byte(`"`+entry+`"`), &egress.Host{}) == nil {
			t.Errorf("%q was taken from JSON", entry)
		}
	}
}
