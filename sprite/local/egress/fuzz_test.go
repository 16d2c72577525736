package egress

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func FuzzPolicy(f *testing.F) {
	for _, s := range []string{
		`{"rules":[]}`, `{"rules":null}`, `{"rules":[{"domain":"*.x.test","action":"allow"},{"include":"defaults","action":"deny"}]}`,
		`{"rules":[{"domain":"a:22","action":"allow"}]}`, `{"rules":[{"domain":"*","action":"deny"}]}`, `{"rules":[{"domain":"127.0.0.1:80","action":"allow"}]}`,
		`{"rules":[{}]}`, `{"rules":[{"domain":"*.","action":"allow"}]}`,
	} {
		f.Add(s, "a.x.test", uint16(443))
	}
	f.Fuzz(func(t *testing.T, text, name string, port uint16) {
		var p Policy
		if json.Unmarshal([]byte(text), &p) != nil {
			return
		}
		err := p.Validate()
		if err != nil && strings.ContainsAny(err.Error(), "\n\r") {
			t.Errorf("not one line: %q", err)
		}
		rs := compile(p)
		if rs.limited == p.Unrestricted() {
			t.Error("rules went missing")
		}
		if rs.allows(name, port, nil) && !rs.knows(name, []uint16{port}) {
			t.Errorf("%s:%d may be reached but not looked up", name, port)
		}
		b, err := json.Marshal(p)
		var back Policy
		if err != nil || json.Unmarshal(b, &back) != nil || len(back.Rules) != len(p.Rules) || !strings.HasPrefix(string(b), `{"rules":[`) {
			t.Errorf("%s: %v", b, err)
		}
	})
}

// FuzzTarget: whatever the spelling, the kernel is never asked for a private address, nor for any under a policy.
func FuzzTarget(f *testing.F) {
	for _, host := range strings.Fields(`127.0.0.1 127.1 2130706433 0x7f.1 017700000001 [::1] [::ffff:127.0.0.1] [::1%lo] localhost localhost. 0 0x 127.0.0.1. ok.test
		[64:ff9b::7f00:1] [2002:7f00:1::] 1.2.3.4.5 a..b 0x7f.0.0.1. 127.0.0.0x1 [127.0.0.1] 8.8.8.8 xn--a.test`) {
		f.Add(host + ":80")
	}
	e := New(Config{})
	f.Cleanup(func() { _ = e.Close() })
	open, closed := compile(Policy{}), compile(Policy{Rules: []Rule{{Domain: "*", Action: allow}}})
	f.Fuzz(func(t *testing.T, s string) {
		tgt, err := parseTarget(s)
		if err != nil {
			return
		}
		if strings.ContainsAny(tgt.String(), "\n\r\x00 /%") {
			t.Errorf("%q is shown as %q", s, tgt)
		}
		if tgt.name == "" && closed.decide(tcpNetwork, tgt, nil) == nil {
			t.Errorf("%q passes a list of names", s)
		}
		// What a dialer would take without a lookup, and what the C library would.
		host, _, err := net.SplitHostPort(s)
		if err != nil {
			t.Fatalf("%q was read as %v", s, tgt)
		}
		ip, err := netip.ParseAddr(host)
		if err == nil && tgt.addr != ip.WithZone("").Unmap() {
			t.Errorf("%q is %s, not %s", s, ip, tgt)
		}
		if tgt.name != "" && (checkName(tgt.name) != nil || endsInNumber(tgt.name)) {
			t.Errorf("%q is taken for the name %q", s, tgt.name)
		}
		if tgt.name == "" && (tgt.addr.IsLoopback() || tgt.addr.IsPrivate() || tgt.addr.IsLinkLocalUnicast() || tgt.addr.IsUnspecified() || tgt.addr.IsMulticast()) &&
			open.decide(tcpNetwork, tgt, nil) == nil && e.reach(tgt, tgt.addr, false) == nil {
			t.Errorf("%q passes", s)
		}
	})
}

func FuzzHosts(f *testing.F) {
	for _, s := range []string{"db", "db:5432", "db:5432=10.0.0.1", "10.0.0.1:80", "10.0.0.0/8", "[::1]:80", "localhost:80", "127.0.0.1:80", "fd00::/8", "=", ":", "/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		hs, err := ParseHosts([]string{s})
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("not one line: %q", err)
			}
			return
		}
		b, err := json.Marshal(hs)
		var back []Host
		if err != nil || json.Unmarshal(b, &back) != nil || back[0] != hs[0] {
			t.Errorf("%q became %s, then %v", s, b, back)
		}
		for _, port := range Forwards(hs) {
			if port == 0 {
				t.Errorf("%q forwards port 0", s)
			}
		}
	})
}

func FuzzDNS(f *testing.F) {
	for _, name := range []string{"ok.test.", "denied.test.", "4.3.2.1.in-addr.arpa.", ".", "localhost.", "127.0.0.1.", "a\n.test."} {
		for _, typ := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA, dnsmessage.TypeTXT} {
			n, err := dnsmessage.NewName(name)
			if err != nil {
				f.Fatal(err)
			}
			m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{{Name: n, Type: typ, Class: dnsmessage.ClassINET}}}
			b, err := m.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	hosts, err := ParseHosts([]string{"ok.test=10.0.0.1"})
	if err != nil {
		f.Fatal(err)
	}
	e := New(Config{Policy: Policy{Rules: []Rule{{Domain: "ok.test", Action: allow}}}, Hosts: hosts, Nameserver: "127.0.0.1:1"})
	f.Cleanup(func() { _ = e.Close() })
	f.Fuzz(func(t *testing.T, question []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		answer := e.answer(ctx, udpNetwork, question)
		if answer == nil {
			return
		}
		var m dnsmessage.Message
		if err := m.Unpack(answer); err != nil || !m.Response || len(question) < 2 || m.ID != uint16(question[0])<<8|uint16(question[1]) {
			t.Fatalf("%x: %v %v", answer, m.Header, err)
		}
		for _, a := range m.Answers {
			if !strings.EqualFold(a.Header.Name.String(), "ok.test.") {
				t.Errorf("%s was answered", a.Header.Name.String())
			}
		}
	})
}
