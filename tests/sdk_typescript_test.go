package tests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/agent-on-demand/aod/server"
)

// typescriptSDK is a folder in which the TypeScript package is installed as it is published,
// by npm and from its archive, with nothing else.
func typescriptSDK(t *testing.T) string {
	t.Helper()
	dir, err := npmInstalled()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var npmInstalled = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(filepath.Dir(binary), "npm")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if out, err := npmTool("npm", "pack", "--silent", "--pack-destination", dir).CombinedOutput(); err != nil {
		return "", fmt.Errorf("pack the TypeScript SDK: %w: %s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"private":true,"type":"module"}`), 0o644); err != nil {
		return "", err
	}
	archives, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return "", fmt.Errorf("archives %q, %w", archives, err)
	}
	install := exec.Command("npm", "install", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", archives[0])
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("install the TypeScript SDK: %w: %s", err, out)
	}
	for _, program := range []string{"runner.mjs", "browser.ts"} { // which find their packages where they are
		text, err := os.ReadFile(filepath.Join("sdk", program))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, program), text, 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
})

// npmTool is a command with what the TypeScript SDK is made with, in its folder.
func npmTool(command ...string) *exec.Cmd { return exec.Command("../sdk/typescript/tool", command...) }

func typescriptRunner(t *testing.T) *exec.Cmd {
	t.Helper()
	return exec.Command("node", filepath.Join(typescriptSDK(t), "runner.mjs"))
}

func TestTypeScriptSDKsOwnTests(t *testing.T) {
	t.Parallel()
	typescriptSDK(t)
	if out, err := npmTool("npm", "test", "--silent").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// A package has what its users need, and needs what it says.
func TestNpmPackageIsSmall(t *testing.T) {
	t.Parallel()
	dir := typescriptSDK(t)
	var names []string
	entries, err := os.ReadDir(filepath.Join(dir, "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	if got := strings.Join(names, " "); got != "@agent-on-demand eventsource-parser openapi-fetch openapi-typescript-helpers" {
		t.Errorf("installed are %s", got)
	}
	for _, file := range []string{"README.md", "LICENSE", "package.json", "dist/index.js", "dist/index.d.ts", "dist/pretty/index.js", "dist/pretty/index.d.ts"} {
		if _, err := os.Stat(filepath.Join(dir, "node_modules/@agent-on-demand/sdk", file)); err != nil {
			t.Error(err)
		}
	}
	size := func(name string) int {
		t.Helper()
		program := filepath.Join(dir, "only-"+name+".js")
		if err := os.WriteFile(program, []byte(`export { `+name+` } from "@agent-on-demand/sdk";`), 0o644); err != nil {
			t.Fatal(err)
		}
		bundle, err := npmTool("esbuild", program, "--bundle", "--minify", "--format=esm").Output()
		if err != nil {
			t.Fatal("bundle: ", err)
		}
		return len(bundle)
	}
	if whole, part := size("Client"), size("NotFoundError"); whole > 32<<10 || part > whole/4 {
		t.Errorf("a client is %d bytes, an error class %d", whole, part)
	}
}

// A page of another origin creates, streams and follows, also when its connections break.
func TestTypeScriptInABrowser(t *testing.T) {
	t.Parallel()
	program, err := npmTool("esbuild", filepath.Join(typescriptSDK(t), "browser.ts"), "--bundle", "--format=iife", "--target=chrome110").Output()
	if err != nil {
		t.Fatal("bundle the page's program: ", err)
	}
	var front, token string
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/browser.js" {
			w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
			w.Write(program)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><body data-url="%s" data-token="%s"><script src="/browser.js"></script>`, front, token)
	}))
	t.Cleanup(page.Close)
	a := start(t, func(c *server.Config) { c.CORSOrigins = []string{page.URL} })
	proxy := &meddler{requests: map[string]int{}, keys: map[string]map[string]bool{}}
	if err := json.Unmarshal([]byte(`[
		{"on": "POST /sessions", "lose": true},
		{"on": "GET /sessions/*/stream", "times": 5, "cut": {"least": 400, "spread": 300}}
	]`), &proxy.faults); err != nil {
		t.Fatal(err)
	}
	front, token = a.before(proxy.meddle), a.token
	p := browse(t)
	p.do("open the page", chromedp.Navigate(page.URL))
	p.until(`document.title !== ""`)
	said, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Failed, Stdout, Later, Refused, RequestID string
		Followed, Streamed                        []json.RawMessage
	}
	if err := json.Unmarshal([]byte(said), &got); err != nil {
		t.Fatal(err, said)
	}
	var lines strings.Builder
	for i := range 100 {
		fmt.Fprintf(&lines, "line %d\n", i+1)
	}
	if got.Failed != "" || got.Stdout != lines.String() || got.Later != "kept\n" || got.Refused != "NotFoundError" || got.RequestID == "" {
		t.Errorf("the page says %s", said)
	}
	if len(got.Streamed) < 10 || fmt.Sprintf("%s", got.Followed) != fmt.Sprintf("%s", got.Streamed) {
		t.Errorf("followed are\n%s\nthe stream has\n%s", got.Followed, got.Streamed)
	}
	if proxy.requests["GET /sessions/*/stream"] < 8 || len(proxy.keys["POST /sessions"]) != 1 || len(a.listed("/sessions")) != 1 {
		t.Errorf("it made %v with %v", proxy.requests, proxy.keys)
	}
	for _, f := range proxy.faults {
		if f.left() != 0 {
			t.Errorf("a fault on %s has not happened", f.On)
		}
	}
}

// What the documentation shows in TypeScript passes a strict compiler.
func TestTypeScriptOfTheDocumentationCompiles(t *testing.T) {
	t.Parallel()
	dir := typescriptSDK(t)
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := []string{filepath.Join(dir, "browser.ts")}
	compiled := func(name, text string) {
		t.Helper()
		program := filepath.Join(dir, name)
		if err := os.WriteFile(program, []byte(text+"\nexport {};\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		programs = append(programs, program)
	}
	for _, page := range append(pages, "../sdk/typescript/README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks(string(text)) {
			if b.language == "ts" {
				compiled(fmt.Sprintf("%s-%d.ts", strings.TrimSuffix(filepath.Base(page), ".md"), b.line), b.text)
			}
		}
	}
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	for path, method := range map[string]string{"/agents": "POST", "/sessions": "POST", "/sessions/{session_id}/stream": "GET"} {
		o := doc.Paths.Value(path).Operations()[method]
		compiled(o.OperationID+".ts", sampleOf(t, o, "TypeScript"))
	}
	if len(programs) < 8 {
		t.Errorf("programs %q", programs)
	}
	options := []string{"tsc", "--noEmit", "--strict", "--exactOptionalPropertyTypes", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom,dom.iterable", "--typeRoots", "node_modules/@types", "--types", "node"}
	if out, err := npmTool(append(options, programs...)...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
