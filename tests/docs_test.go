package tests

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// block is one fenced block of a page.
type block struct {
	line     int
	language string
	text     string
}

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

func blocks(page string) []block {
	var all []block
	for _, at := range fence.FindAllStringSubmatchIndex(page, -1) {
		all = append(all, block{line: 1 + strings.Count(page[:at[0]], "\n"), language: page[at[2]:at[3]], text: page[at[4]:at[5]]})
	}
	return all
}

// elsewhere are the commands that a page may show without their being run: they need what a machine of tests lacks.
var elsewhere = []string{"aod", "bin/aod", "docker", "export", "go", "install", "journalctl", "make", "npm", "pip", "systemctl"}

// What the documentation says to do is done, page by page, and what it says comes out comes out.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil || len(pages) < 10 {
		t.Fatal(pages, err)
	}
	for _, path := range append(pages, "../README.md", "../sdk/typescript/README.md") {
		name := strings.TrimSuffix(strings.TrimPrefix(path, "../"), ".md")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			linksLead(t, path, string(text))
			python := ownPackage
			if name == "docs/quickstart" { // it is for those who have what the index has, too
				python = publishedPackage
			}
			follow(t, blocks(string(text)), python)
		})
	}
}

// follow runs the blocks of a page, as one script, against a server of their own.
func follow(t *testing.T, all []block, python func(t *testing.T) (path, packages string)) {
	t.Helper()
	const mark = "--- end of block "
	var script strings.Builder
	typescript := false
	for i, b := range all {
		switch b.language {
		case "sh":
			script.WriteString(b.text)
		case "python":
			fmt.Fprintf(&script, "python3 - <<'END OF PROGRAM'\n%sEND OF PROGRAM\n", b.text)
		case "ts":
			typescript = true
			fmt.Fprintf(&script, "(set -o pipefail; esbuild --loader=ts --format=esm --log-level=warning | node --input-type=module -) <<'END OF PROGRAM'\n%sEND OF PROGRAM\n", b.text)
		case "go":
			fmt.Fprintf(&script, "cat > program.go <<'END OF PROGRAM'\n%sEND OF PROGRAM\n(cd \"$TREE\" && go run \"$HOME/program.go\")\n", b.text)
		case "console":
			for line := range strings.Lines(b.text) {
				if command, _, _ := strings.Cut(strings.TrimSpace(line), " "); !slices.Contains(elsewhere, command) {
					t.Errorf("line %d: %s has to be run here", b.line, command)
				}
			}
			continue
		default:
			continue
		}
		fmt.Fprintf(&script, "\necho '%s%d'\n", mark, i)
	}
	if script.Len() == 0 {
		return
	}
	a := spawn(t, os.Getuid())
	path, packages := python(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	home := t.TempDir()
	if typescript {
		path = typescriptIn(t, home) + ":" + path
	}
	tree, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	caches, err := exec.CommandContext(ctx, "go", "env", "GOCACHE", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	built, modules, _ := strings.Cut(strings.TrimSpace(string(caches)), "\n")
	cmd := exec.CommandContext(ctx, "bash", "-eu", "-s")
	cmd.Stdin = strings.NewReader(script.String())
	cmd.Dir = home
	cmd.Env = []string{
		"PATH=" + filepath.Dir(binary) + ":" + path, "HOME=" + home, "TMPDIR=" + home, "AOD_DATA_DIR=" + a.dir,
		"AOD_API_URL=" + a.url, "AOD_API_TOKEN=" + a.token, "ANTHROPIC_API_KEY=none", "PYTHONPATH=" + packages, "TREE=" + tree, "GOCACHE=" + built, "GOMODCACHE=" + modules,
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v", err)
	}
	a.endSessions()
	if err := a.signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	rest := string(said)
	for i, b := range all {
		if !slices.Contains([]string{"sh", "python", "ts", "go"}, b.language) {
			continue
		}
		got, after, ended := strings.Cut(rest, fmt.Sprintf("%s%d\n", mark, i))
		if !ended {
			t.Fatalf("line %d fails: %s", b.line, got)
		}
		rest = after
		if i+1 < len(all) && all[i+1].language == "text" && !printed(got, all[i+1].text) {
			t.Errorf("line %d prints\n%s\nnot\n%s", b.line, got, all[i+1].text)
		}
	}
}

// publishedPackage is where programs find Python, and aod-sdk as it was published.
func publishedPackage(t *testing.T) (path, packages string) {
	t.Helper()
	packages, err := pythonPackages()
	if err != nil {
		t.Fatal(err)
	}
	return os.Getenv("PATH"), packages
}

// ownPackage is where programs find a Python that has our package.
func ownPackage(t *testing.T) (path, packages string) {
	t.Helper()
	python, err := ownPython()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(python) + ":" + os.Getenv("PATH"), ""
}

// typescriptIn lets programs in a folder import our package, and returns where their compiler is.
func typescriptIn(t *testing.T, home string) string {
	t.Helper()
	if err := os.Symlink(filepath.Join(typescriptSDK(t), "node_modules"), filepath.Join(home, "node_modules")); err != nil {
		t.Fatal(err)
	}
	tools, err := filepath.Abs("../sdk/typescript/node_modules/.bin")
	if err != nil {
		t.Fatal(err)
	}
	return tools
}

// printed says whether a text is what a page shows. There … stands for anything.
func printed(text, shown string) bool {
	var pattern strings.Builder
	for i, part := range strings.Split(strings.TrimSpace(shown), "…") {
		if i > 0 {
			pattern.WriteString("(?s:.*)")
		}
		pattern.WriteString(regexp.QuoteMeta(part))
	}
	return regexp.MustCompile(`\A` + pattern.String() + `\z`).MatchString(strings.TrimSpace(text))
}

// pythonPackages is where the Python package is that existing programs use, from its registry.
var pythonPackages = sync.OnceValues(func() (string, error) {
	tag, err := exec.Command("python3", "-c", "import sys; print(sys.implementation.cache_tag, end='')").Output()
	if err != nil {
		return "", fmt.Errorf("find Python: %w", err)
	}
	dir, err := filepath.Abs(filepath.Join(".cache", "python", string(tag), "aod-sdk-0.1.0"))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	temporary, err := os.MkdirTemp(filepath.Dir(dir), "installing-")
	if err != nil {
		return "", err
	}
	if out, err := exec.Command("python3", "-m", "pip", "install", "--quiet", "--target", temporary, "aod-sdk==0.1.0").CombinedOutput(); err != nil {
		return "", fmt.Errorf("install aod-sdk: %w: %s", err, out)
	}
	return dir, os.Rename(temporary, dir)
})

var link = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)

// linksLead fails the test if a page links to a file that is not there.
func linksLead(t *testing.T, path, text string) {
	t.Helper()
	for _, found := range link.FindAllStringSubmatch(text, -1) {
		if target := found[1]; !strings.Contains(target, "://") {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), target)); err != nil {
				t.Errorf("a link leads nowhere: %v", err)
			}
		}
	}
}
