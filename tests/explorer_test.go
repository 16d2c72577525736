package tests

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

const (
	hasTitle   = `document.querySelector("h1")?.innerText === %q`
	hasText    = `document.body.innerText.includes(%q)`
	tokenField = `document.querySelector('input[aria-label="Token"]')`
	sendButton = `[...document.querySelectorAll("button")].find(b => b.innerText.startsWith("Send"))`
)

func TestEveryOperationOpensByItsLink(t *testing.T) {
	t.Parallel()
	a := start(t)
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	p := browse(t)
	opened := 0
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			p.do(o.OperationID, chromedp.Navigate("about:blank"), chromedp.Navigate(a.url+"/docs#/operations/"+o.OperationID))
			p.until(fmt.Sprintf(hasTitle, o.Summary))
			p.until(fmt.Sprintf(hasText, method+"\n"+path))
			p.until(fmt.Sprintf(hasText, "Response Example"))
			opened++
		}
	}
	if opened < 24 {
		t.Errorf("only %d operations", opened)
	}
	p.clean(a.url)
}

func TestExplorerBeginsWithTheOverview(t *testing.T) {
	t.Parallel()
	a := start(t)
	p := browse(t)
	p.do("open the server in a browser", chromedp.Navigate(a.url))
	p.until(fmt.Sprintf(hasTitle, "Agent on Demand"))
	p.until(`document.title === "Agent on Demand API"`)
	for _, tag := range []string{"Agents", "Environments", "Sessions", "System"} {
		p.until(fmt.Sprintf(`document.querySelector("[title=%s]") !== null`, tag))
	}
	p.clean(a.url)
}

func TestPastedTokenIsTried(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.post("/agents", `{"name":"seen in the explorer","model":"local/bash","runtime":"shell"}`).want(201)
	p := browse(t)
	p.do("open an operation", chromedp.Navigate(a.url+"/docs#/operations/listAgents"))
	p.until(fmt.Sprintf(hasTitle, "List agents"))
	p.until(tokenField + " !== null")
	p.paste(tokenField, a.token)
	p.until(fmt.Sprintf(hasText, a.token)) // in the sample of the call
	p.press(sendButton)
	p.until(fmt.Sprintf(hasText, "200 OK"))
	p.until(fmt.Sprintf(hasText, "seen in the explorer"))
	p.press(`document.querySelector('[title="Create an agent"]')`)
	p.until(fmt.Sprintf(hasTitle, "Create an agent"))
	p.until(fmt.Sprintf(hasText, a.token))
	p.press(sendButton) // with the first example as body, and without an Idempotency-Key
	p.until(fmt.Sprintf(hasText, "201 Created"))
	p.clean(a.url)
	if agents := a.get("/agents").want(200); !strings.Contains(agents.body, `"name":"hello"`) {
		t.Errorf("the agents are %s", agents.body)
	}
}

// A build without npm has no bundles: here, since an overlay hides them.
func TestBuildWithoutBundlesSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	hidden := map[string]string{}
	bundles, err := filepath.Glob("../server/explorer/assets/*.gz")
	if err != nil || len(bundles) == 0 {
		t.Fatal("there are no bundles to hide; make them with: make explorer ", err)
	}
	for _, file := range bundles {
		if file, err = filepath.Abs(file); err != nil {
			t.Fatal(err)
		}
		hidden[file] = ""
	}
	overlay, err := json.Marshal(map[string]any{"Replace": hidden})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	bare := filepath.Join(dir, "aod")
	if out, err := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", bare, "../server/cmd/aod").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	a := spawnBinary(t, bare, filepath.Join(dir, "data"), os.Getuid())
	p := browse(t)
	p.do("open the page", chromedp.Navigate(a.url+"/docs"))
	p.until(fmt.Sprintf(hasText, "its API explorer is missing"))
	p.until(fmt.Sprintf(hasText, "make build"))
	p.until(`document.querySelector('a[href="/openapi.yaml"]') !== null`)
	p.clean(a.url)
}

var linked = regexp.MustCompile(`(?:src|href)="(/docs/[^"]+)"`)

func TestExplorerNeedsNoToken(t *testing.T) {
	t.Parallel()
	a := start(t).as("")
	page := a.get("/docs").want(200)
	for name, want := range map[string]string{
		"Content-Type":            "text/html; charset=utf-8",
		"Cache-Control":           "no-cache",
		"X-Content-Type-Options":  "nosniff",
		"Referrer-Policy":         "no-referrer",
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	} {
		if got := page.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if tag := page.header.Get("Etag"); tag == "" || a.call("GET", "/docs", "", "If-None-Match", tag).status != http.StatusNotModified {
		t.Errorf("the page is sent again to who has it, with its tag %q", tag)
	}
	files := linked.FindAllStringSubmatch(page.body, -1)
	if len(files) != 3 {
		t.Fatalf("the page links %v", files)
	}
	for _, file := range files {
		a.bundle(file[1])
	}
}

// bundle fails the test unless the file at path is sent packed, for good, and to all.
func (a *api) bundle(path string) {
	a.t.Helper()
	plain := a.call("GET", path, "", "Accept-Encoding", "identity").want(200)
	packed := a.call("GET", path, "", "Accept-Encoding", "gzip").want(200)
	if packed.header.Get("Content-Encoding") != "gzip" || packed.header.Get("Vary") != "Accept-Encoding" || packed.header.Get("X-Content-Type-Options") != "nosniff" || packed.header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
		a.t.Errorf("%s has the headers %v", path, packed.header)
	}
	z, err := gzip.NewReader(strings.NewReader(packed.body))
	if err != nil {
		a.t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil || string(text) != plain.body || len(text) < 1000 {
		a.t.Errorf("%s: %d bytes unpacked, %d sent plain: %v", path, len(text), len(plain.body), err)
	}
	if a.call("GET", path, "", "Accept-Encoding", "gzip", "If-None-Match", packed.header.Get("Etag")).status != http.StatusNotModified {
		a.t.Errorf("%s is sent again to who has it", path)
	}
}

// The explorer takes nothing from the API: not its refusals, nor what it refuses.
func TestExplorerChangesNoAnswerOfTheAPI(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, path := range []string{"/", "/docs/nothing", "/docs/operations/listAgents", "/DOCS", "/web-components.min.js"} {
		a.get(path).detail(404, "Not found")
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		answer := a.call(method, "/docs", "{}")
		answer.detail(405, "Method not allowed")
		if allow := answer.header.Get("Allow"); allow != "GET, HEAD" {
			t.Errorf("%s: Allow %q", method, allow)
		}
	}
	if page := a.call("GET", "/", "", "Accept", "text/html,application/xhtml+xml,*/*;q=0.8").want(200); !strings.Contains(page.body, "elements-api") || page.header.Get("Vary") != "Accept" {
		t.Errorf("a browser gets %v %s", page.header, page.body)
	}
	a.call("GET", "/agents", "", "Accept", "text/html").want(200).field("data")
}
