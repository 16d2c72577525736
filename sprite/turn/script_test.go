package turn

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/agent-on-demand/aod/sprite/runtimes"
	"github.com/agent-on-demand/aod/store"
)

func testWorker(t *testing.T, brief store.Brief) *worker {
	t.Helper()
	shell, ok := runtimes.ByName("shell")
	if !ok {
		t.Fatal("no shell")
	}
	return &worker{Supervisor: &Supervisor{Options: Options{Keys: map[string]store.Secret{"A": store.NewSecret("key"), "B": store.NewSecret("key")}}}, brief: &brief, runtime: shell}
}

// setupLines are all of the provisioning script.
func setupLines(w *worker) []string {
	shared, own := w.scripts()
	return append(slices.Clone(shared), own...)
}

func TestSetupInstallsClonesAndRunsInOrder(t *testing.T) {
	t.Parallel()
	w := testWorker(t, store.Brief{
		Session: store.Session{Resources: []store.Resource{{URL: "https://github.com/a/b", MountPath: "/workspace/it's"}, {URL: "https://github.com/c/d", MountPath: "/d"}}},
		Environment: store.EnvironmentSpec{
			Packages:    map[string][]string{"pip": {"x; rm -rf /"}, "apt": {"jq", "tree"}, "go": {"a@latest", "b@latest"}, "npm": {}},
			SetupScript: "  echo done\n",
		},
		Repositories: map[string]store.Secret{"/d": store.NewSecret("t@ken")},
	})
	const git = "git -c credential.useHttpPath=true -c credential.helper= -c credential.helper='store --file=/home/sprite/.aod/git-credentials' clone --depth=1 --quiet "
	want := `apt-get update -qq && apt-get install -y 'jq' 'tree'
command -v go > /dev/null || { echo 'go is not in this Sprite: add golang-go to the apt packages of the environment' >&2; exit 127; }
go install 'a@latest'
go install 'b@latest'
command -v pip > /dev/null || { echo 'pip is not in this Sprite: add python3-pip to the apt packages of the environment' >&2; exit 127; }
pip install 'x; rm -rf /'
trap 'rm -f /home/sprite/.aod/git-credentials' EXIT
` + git + `'https://github.com/a/b' '/workspace/it'\''s' || { code=$?; echo 'cannot clone https://github.com/a/b: there is no such repository, or it is private and needs an authorization_token, or the network does not let it through' >&2; exit $code; }
` + git + `'https://github.com/c/d' '/d' || { code=$?; echo 'cannot clone https://github.com/c/d: there is no such repository, or its authorization_token may not read it, or the network does not let it through' >&2; exit $code; }
rm -f /home/sprite/.aod/git-credentials
echo done`
	if got := strings.Join(setupLines(w), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if credentials := w.credentials(); credentials != "https://t%40ken:x-oauth-basic@github.com/c/d\n" {
		t.Errorf("credentials %q", credentials)
	}
}

// Where a Sprite's commands find its files elsewhere, the script says where.
func TestSetupClonesWhereTheSpriteIs(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "it's here")
	home, origin := root+"/home/sprite", t.TempDir()
	tokens := home + "/.aod/git-credentials"
	if err := os.MkdirAll(filepath.Dir(tokens), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(tokens, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w := testWorker(t, store.Brief{
		Session:      store.Session{Resources: []store.Resource{{URL: origin, MountPath: "/workspace/a"}, {URL: origin, MountPath: "/home/sprite/b"}}},
		Repositories: map[string]store.Secret{"/workspace/a": store.NewSecret("t")},
	})
	w.place = runtimes.PlaceAt(home)
	script := "set -e; cd " + quote(origin) + "; git init -q; git -c user.name=n -c user.email=e commit -q --allow-empty -m first\n" + strings.Join(setupLines(w), "\n")
	if !strings.Contains(script, "credential.helper="+quote("store --file="+quote(tokens))+" clone") {
		t.Errorf("the tokens are not named: %s", script)
	}
	if out, err := exec.Command("bash", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, path := range []string{root + "/workspace/a/.git", home + "/b/.git"} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(tokens); err == nil {
		t.Error("the tokens are still there")
	}
}

// A repository that cannot be cloned ends the script, which says what may be wrong beside git's own words.
func TestSetupSaysWhatItCannotClone(t *testing.T) {
	t.Parallel()
	gone := filepath.Join(t.TempDir(), "gone")
	w := testWorker(t, store.Brief{Session: store.Session{Resources: []store.Resource{{URL: gone, MountPath: t.TempDir() + "/x"}}}})
	out, err := exec.Command("bash", "-c", "set -e\n"+strings.Join(setupLines(w), "\n")+"\necho never").CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 128 || strings.Contains(string(out), "never") {
		t.Errorf("%v", err)
	}
	if said := string(out); !strings.Contains(said, "does not exist") || !strings.HasSuffix(said, "\ncannot clone "+gone+": there is no such repository, or it is private and needs an authorization_token, or the network does not let it through\n") {
		t.Errorf("said %q", said)
	}
}

// The shell reads exactly what was meant, and the later of two values wins.
func TestEnvironmentFileSaysWhatWasMeant(t *testing.T) {
	t.Parallel()
	odd := "it's $HOME `id` \"x\" \\ \n é"
	w := testWorker(t, store.Brief{
		Session:     store.Session{RuntimeSessionID: "id"},
		Agent:       store.AgentSpec{Model: "local/bash"},
		Environment: store.EnvironmentSpec{EnvVars: map[string]store.Secret{"B": store.NewSecret("environment"), "C": store.NewSecret("environment"), "EMPTY": store.NewSecret("")}},
		Variables:   map[string]store.Secret{"C": store.NewSecret("session"), "ODD": store.NewSecret(odd)},
	})
	path := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(path, w.envFile().Data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("bash", "-c", `set -aeu; . "$0"; printf '%s|' "$A" "$B" "$C" "$EMPTY" "$AOD_SESSION_ID" "$AOD_MODEL" "$ODD"`, path).Output()
	if want := "key|environment|session||id|local/bash|" + odd + "|"; err != nil || string(out) != want {
		t.Errorf("got %q, want %q: %v", out, want, err)
	}
}
