package turn

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/agent-on-demand/aod/sprite/runtimes"
)

// Files of ours in the Sprite, for its owner only. They are written to these paths;
// its commands may find them elsewhere, see worker.place.
const (
	home            = "/home/sprite"
	envPath         = home + "/.aod/env"
	credentialsPath = home + "/.aod/git-credentials"
	setupPath       = home + "/.aod/setup.sh"
)

// packageManagers are in the order in which their packages are installed, with
// the command that installs them.
var packageManagers = []packageManager{
	{name: "apt", command: "apt-get update -qq && apt-get install -y"},
	{name: "cargo", command: "cargo install", single: true, from: "cargo"},
	{name: "gem", command: "gem install", from: "ruby"},
	{name: "go", command: "go install", single: true, from: "golang-go"},
	{name: "npm", command: "npm install --global", from: "npm"},
	{name: "pip", command: "pip install", from: "python3-pip"},
}

type packageManager struct {
	name    string
	command string
	single  bool   // takes one package at a time
	from    string // the package of apt that brings it
}

// lines install packages.
func (m packageManager) lines(packages []string) []string {
	if len(packages) == 0 {
		return nil
	}
	var lines []string
	if m.from != "" {
		missing := m.name + " is not in this Sprite: add " + m.from + " to the apt packages of the environment"
		lines = append(lines, "command -v "+m.name+" > /dev/null || { echo "+quote(missing)+" >&2; exit 127; }")
	}
	if !m.single {
		return append(lines, m.command+" "+quoteAll(packages))
	}
	for _, p := range packages {
		lines = append(lines, m.command+" "+quote(p))
	}
	return lines
}

// setupEnv keeps the programs of a setup from asking, and lets pip install where a
// distribution would rather not (PEP 668): the Sprite is nobody else's.
const setupEnv = "DEBIAN_FRONTEND=noninteractive GIT_TERMINAL_PROMPT=0 PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore"

// setUp runs the provisioning script, if there is anything for it to do, in two parts: what the environment alone asks for, and what has
// to do with this session. The Sprite holds no secret until the first has run, because a snapshot is made of what that leaves.
func (w *worker) setUp(ctx context.Context) error {
	shared, own := w.scripts()
	if !w.cached {
		if err := w.runLines(ctx, shared); err != nil {
			return err
		}
		w.keep(ctx)
	}
	if len(w.brief.Repositories) > 0 {
		if err := w.writeGitCredentials(ctx); err != nil {
			return err
		}
	}
	return w.runLines(ctx, own)
}

// runLines runs a part of the provisioning script.
func (w *worker) runLines(ctx context.Context, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	script := "set -e\nexport " + setupEnv + "\n" + strings.Join(lines, "\n") + "\n"
	if err := w.write(ctx, []runtimes.File{{Path: setupPath, Data: []byte(script), Mode: 0o600}}); err != nil {
		return err
	}
	return w.exec(ctx, []string{"bash", "-l", w.place.Real(setupPath)})
}

// scripts install the packages, bring in the repositories, and are the environment's
// own script: first what is the same for all sessions like this one, then what is not.
func (w *worker) scripts() (shared, own []string) {
	var lines []string
	for _, m := range packageManagers {
		lines = append(lines, m.lines(w.brief.Environment.Packages[m.name])...)
	}
	packages := len(lines)
	lines = append(lines, w.clones()...)
	if script := strings.TrimSpace(w.brief.Environment.SetupScript); script != "" {
		lines = append(lines, script)
	}
	if len(w.brief.Session.Resources) == 0 {
		return lines, nil
	}
	return lines[:packages], lines[packages:]
}

// clones are the lines that bring the repositories in. The tokens are in a file
// that git reads and that is gone when the script ends.
func (w *worker) clones() []string {
	if len(w.brief.Session.Resources) == 0 {
		return nil
	}
	git, tokens := "git", word(w.place.Real(credentialsPath))
	var lines []string
	if len(w.brief.Repositories) > 0 {
		lines = append(lines, "trap "+quote("rm -f "+tokens)+" EXIT")
		git += " -c credential.useHttpPath=true -c credential.helper= -c credential.helper=" + quote("store --file="+tokens)
	}
	for _, r := range w.brief.Session.Resources {
		why := "there is no such repository, or it is private and needs an authorization_token"
		if _, given := w.brief.Repositories[r.MountPath]; given {
			why = "there is no such repository, or its authorization_token may not read it"
		}
		lines = append(lines, git+" clone --depth=1 --quiet "+quote(r.URL)+" "+quote(w.place.Real(r.MountPath))+
			" || { code=$?; echo "+quote("cannot clone "+r.URL+": "+why+", or the network does not let it through")+" >&2; exit $code; }")
	}
	if len(w.brief.Repositories) > 0 {
		lines = append(lines, "rm -f "+tokens)
	}
	return lines
}

// makeGitCredentials makes the file that gets the tokens when they are needed.
func (w *worker) makeGitCredentials(ctx context.Context) error {
	return w.write(ctx, []runtimes.File{{Path: credentialsPath, Mode: 0o600}})
}

func (w *worker) writeGitCredentials(ctx context.Context) error {
	return w.write(ctx, []runtimes.File{{Path: credentialsPath, Data: []byte(w.credentials()), Mode: 0o600}})
}

// credentials are the tokens in the format of git-credential-store, each for its
// repository alone.
func (w *worker) credentials() string {
	var text strings.Builder
	for _, r := range w.brief.Session.Resources {
		token, ok := w.brief.Repositories[r.MountPath]
		if !ok {
			continue
		}
		user := url.UserPassword(token.Reveal(), "x-oauth-basic").String()
		text.WriteString(strings.Replace(r.URL, "https://", "https://"+user+"@", 1) + "\n")
	}
	return text.String()
}

// login is the argv of a login shell that runs one line.
func login(line string) []string { return []string{"bash", "-lc", line} }

// quote makes one shell word of s.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// word makes one shell word of s as well, and leaves a plain one as it is.
func word(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return quote(s)
}

var plain = regexp.MustCompile(`\A[A-Za-z0-9_./-]+\z`)

func quoteAll(words []string) string {
	quoted := slices.Clone(words)
	for i, word := range quoted {
		quoted[i] = quote(word)
	}
	return strings.Join(quoted, " ")
}
