package tests

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/agent-on-demand/aod/server"
)

// gems is a source of gems on this machine with one gem in it, aod-hello. (It was made by gem build and gem generate_index.)
func gems(t *testing.T) string {
	s := httptest.NewServer(http.FileServer(http.Dir("testdata/gems")))
	t.Cleanup(s.Close)
	return s.URL
}

// cargo is the Debian package with a cargo that reads the index of today.
func cargo() string {
	if exec.Command("apt-cache", "show", "cargo-web").Run() == nil {
		return "cargo-web"
	}
	return "cargo"
}

// golang are the packages that bring go where a Sprite has none.
func golang() []string {
	look := exec.Command("sh", "-c", "command -v go")
	look.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/go/bin"}
	if look.Run() == nil {
		return nil
	}
	return []string{"golang-go"}
}

func TestPackageManagers(t *testing.T) {
	t.Parallel()
	source := gems(t)
	a := start(t, func(c *server.Config) { c.AllowHosts = []string{strings.TrimPrefix(source, "http://")} })
	packages, err := json.Marshal(map[string][]string{
		"apt":   append([]string{"--no-install-recommends", "hello", "ruby", cargo()}, golang()...),
		"cargo": {"yes-cli@0.1.0"},
		"gem":   {"--clear-sources", "--source=" + source, "aod-hello"},
		"go":    {"github.com/rakyll/hey@v0.1.4"},
		"npm":   {"is-odd@3.0.1"},
		"pip":   {"iniconfig==2.0.0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	env := a.environment("six", `,"packages":`+string(packages))
	id := a.in(a.shell(), `set +e
echo apt: $(hello)
echo cargo: $(no 2>&1 | head -n 1)
echo gem: $(aod-hello)
echo go: $(hey 2>&1 | head -n 1)
echo npm: $(npm ls --global --depth=0 is-odd | tail -n +2)
echo pip: $(pip show iniconfig 2> /dev/null | head -n 2)`, `,"environment_id":"`+env+`"`).want(202).text("id")
	all := a.stream(id).rest()
	said := output(all, "stdout", 1)
	for _, want := range []string{
		"apt: Hello, world!\n",
		"cargo: n\n",
		"gem: hello from a gem\n",
		"go: Usage: hey [options...] <url>\n",
		"npm: └── is-odd@3.0.1\n",
		"pip: Name: iniconfig Version: 2.0.0\n",
	} {
		manager, _, _ := strings.Cut(want, ":")
		a.promise("8.4 packages of "+manager+" are in the Sprite", func(a *api) {
			if !strings.Contains(said, want) {
				a.t.Errorf("%q, stderr %q", said, output(all, "stderr", 1))
			}
		})
	}
	a.promise("8.4 a manager that is missing is named, with what brings it", func(a *api) {
		for _, manager := range []string{"cargo", "gem"} {
			if exec.Command("sh", "-c", "PATH=/usr/local/bin:/usr/bin:/bin command -v "+manager).Run() == nil {
				a.t.Logf("this machine has %s", manager)
				continue
			}
			env := a.environment("without "+manager, `,"packages":{"`+manager+`":["x"]}`)
			all := a.stream(a.in(a.shell(), "true", `,"environment_id":"`+env+`"`).want(202).text("id")).rest()
			if said, want := output(all, "stderr", 1), "exit code 127\nstderr:\n"+manager+" is not in this Sprite: add "; !strings.Contains(said, want) {
				a.t.Errorf("stderr %q", said)
			}
		}
	})
}
