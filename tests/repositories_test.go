package tests

import (
	"strings"
	"testing"
)

// repository is a resource of a session.
func repository(path, more string) string {
	return `{"type":"github_repository","url":"https://github.com/` + path + `"` + more + `}`
}

func TestRepositories(t *testing.T) {
	t.Parallel()
	s := secrets{}
	token := func(path string) string { return s.plant("the token of " + path) }
	g := newGithub(t, map[string]string{"acme/private": token("acme/private"), "acme/other": token("acme/other")})
	for _, path := range []string{"acme/public", "acme/private", "acme/other"} {
		g.add(t, path, map[string]string{"README": path + "\n", "deep/er/file": "deep\n"})
	}
	a := start(t, g.isGithub)
	env := a.environment("trusting", g.trusted()+`,"setup_script":"cat /workspace/*/README >> ~/seen"`)
	in := func(a *api, prompt, resources string) (stream string, all []event) {
		a.t.Helper()
		id := a.in(a.shell(), prompt, `,"environment_id":"`+env+`","resources":[`+resources+`]`).want(202).text("id")
		st := a.stream(id)
		all = st.rest()
		s.in(a.t, "the stream", st.raw.String())
		return st.raw.String(), all
	}
	private := repository("acme/private", `,"authorization_token":"`+token("acme/private")+`"`)
	a.promise("8.4 a public repository is cloned, shallow, before the setup script", func(a *api) {
		_, all := in(a, "cd /workspace/public && git rev-list --count HEAD && cat deep/er/file ~/seen && git status --short --branch", repository("acme/public", ""))
		if got := output(all, "stdout", 1); got != "1\ndeep\nacme/public\n## main...origin/main\n" {
			a.t.Errorf("stdout %q, stderr %q", got, output(all, "stderr", 1))
		}
	})
	const inspect = `cat ~/seen; cd /workspace/private; git remote get-url origin; cat .git/config | grep -c -e @ -e hush
echo "hu""sh""ABC" > /tmp/found; grep -rlsE '[h]ush[A-Z0-9]+' /home /workspace /tmp /etc /run /var/tmp /opt /root /dev/shm; cat /proc/*/cmdline /proc/*/environ 2> /dev/null | tr '\0' '\n' | grep -c "^hu""sh"
ls ~/.aod; git ls-remote 2>&1 | grep -c "could not read Username"`
	a.promise("7.2 a private one is cloned with its token, each with its own, and none is left behind", func(a *api) {
		_, all := in(a, inspect, private+","+repository("acme/other", `,"mount_path":"/workspace/else/where","authorization_token":"`+token("acme/other")+`"`)+","+repository("acme/public", ""))
		want := "acme/private\nacme/public\nhttps://github.com/acme/private\n0\n/tmp/found\n0\nenv\nsetup.sh\nturns\n1\n"
		if got := output(all, "stdout", 1); got != want {
			a.t.Errorf("stdout %q, stderr %q", got, output(all, "stderr", 1))
		}
	})
	a.promise("8.3 packages come from the environment's snapshot, and clones are the session's own", func(a *api) {
		stream, all := in(a, "cat /workspace/private/README", private)
		if got := output(all, "stdout", 1); got != "acme/private\n" || !strings.Contains(stream, `"cached": true`) {
			a.t.Errorf("stdout %q in %s", got, stream)
		}
	})
	fails := func(name, env, resources string, want ...string) {
		a.promise(name, func(a *api) {
			id := a.in(a.shell(), "echo never", `,"environment_id":"`+env+`","resources":[`+resources+`]`).want(202).text("id")
			st := a.stream(id)
			all := st.rest()
			s.in(a.t, "the stream", st.raw.String())
			said := output(all, "stderr", 1)
			for _, want := range want {
				if !strings.Contains(said, want) {
					a.t.Errorf("no %q in %q", want, said)
				}
			}
			if end := all[len(all)-1]; end.Type != "error" || output(all, "stdout", 1) != "" {
				a.t.Errorf("ended with %+v", end)
			}
		})
	}
	fails("7.2 a repository that is not there fails the session", env, repository("acme/missing", ""),
		"provision failed: Provisioning script failed: exit code 128", "could not read Username", "cannot clone https://github.com/acme/missing: there is no such repository, or it is private and needs an authorization_token")
	fails("7.2 so does a private one without a token", env, repository("acme/private", ""), "cannot clone https://github.com/acme/private: there is no such repository, or it is private and needs")
	fails("7.2 so does the token of another", env, repository("acme/private", `,"authorization_token":"`+token("acme/other")+`"`),
		"Authentication failed for 'https://github.com/acme/private", "cannot clone https://github.com/acme/private: there is no such repository, or its authorization_token may not read it")
	limited := a.environment("limited", g.trusted()+`,"networking":{"type":"limited","allowed_hosts":[`+quoted(g.certificate.Listener.Addr().String())+`]}`)
	fails("7.2 so does a network that does not let it through", limited, repository("acme/public", ""),
		"github.com:443 is not on this sprite's network allow-list", "cannot clone https://github.com/acme/public")
	opened := a.environment("opened", g.trusted()+`,"networking":{"type":"limited","allowed_hosts":["github.com",`+quoted(g.certificate.Listener.Addr().String())+`]}`)
	a.promise("7.2 a limited network may list it", func(a *api) {
		id := a.in(a.shell(), "cat /workspace/private/README", `,"environment_id":"`+opened+`","resources":[`+private+`]`).want(202).text("id")
		if all := a.stream(id).rest(); output(all, "stdout", 1) != "acme/private\n" {
			a.t.Errorf("stdout %q, stderr %q", output(all, "stdout", 1), output(all, "stderr", 1))
		}
	})
}
