package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	browserlog "github.com/chromedp/cdproto/log"
	wire "github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is a page in a real browser. It notes what goes wrong in it and whom it asks.
type tab struct {
	t     *testing.T
	ctx   context.Context
	mu    sync.Mutex
	wrong []string
	asked []string // URLs
	text  string   // of the page, as it was last seen
}

// browse opens a tab of a browser of its own, which asks nobody of its own accord.
func browse(t *testing.T) *tab {
	t.Helper()
	if bundles, err := filepath.Glob("../server/explorer/assets/*.gz"); err != nil || len(bundles) == 0 {
		t.Fatal("the explorer is not in this tree; make it with: make explorer ", err)
	}
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("the explorer is tested in a real browser: install chromium, on Debian with: apt-get install chromium: ", err)
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.WindowSize(1400, 1000), chromedp.WSURLReadTimeout(patience))
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	t.Cleanup(cancel)
	ctx, end := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(end)
	p := &tab{t: t}
	p.ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Listen(p.ctx, p.note); err != nil {
		t.Fatal("start the browser: ", err)
	}
	if _, err := chromedp.Call(p.ctx, wire.Enable, wire.EnableParams{}); err != nil {
		t.Fatal("watch the browser's requests: ", err)
	}
	t.Cleanup(p.keep)
	return p
}

func (p *tab) note(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *wire.EventRequestWillBeSent:
		p.asked = append(p.asked, e.Request.URL)
	case *browserlog.EventEntryAdded:
		if e.Entry.Level == browserlog.EntryLevelError { // also what the page's policy forbids
			p.wrong = append(p.wrong, fmt.Sprint(e.Entry.Text, " ", e.Entry.URL))
		}
	case *runtime.EventExceptionThrown:
		text, err := json.Marshal(e.ExceptionDetails)
		p.wrong = append(p.wrong, fmt.Sprint("exception: ", string(text), err))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			text, err := json.Marshal(e.Args)
			p.wrong = append(p.wrong, fmt.Sprint("console: ", string(text), err))
		}
	}
}

// do makes the browser do something, and fails the test if it can't.
func (p *tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

// until waits until an expression is true in the page, whatever pages come in between.
func (p *tab) until(expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		met, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if met {
			return
		}
		if ctx.Err() != nil {
			p.t.Fatalf("it did not come to %s: %v\n%s\nwrong: %s", expression, err, p.text, strings.Join(p.wrong, "\n"))
		}
		if text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`)); err == nil {
			p.text = text
		}
	}
}

// press clicks on what an expression finds, wherever the page has moved it meanwhile.
func (p *tab) press(expression string) {
	p.t.Helper()
	p.do("press "+expression, chromedp.Evaluate[chromedp.Void]("void "+expression+".click()"))
}

// paste puts text into the field that an expression finds.
func (p *tab) paste(expression, text string) {
	p.t.Helper()
	p.do("focus "+expression, chromedp.Evaluate[chromedp.Void]("void "+expression+".focus()"))
	if _, err := chromedp.Call(p.ctx, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
		p.t.Fatal("paste: ", err)
	}
}

// keep leaves a picture of the page with the test's artifacts.
func (p *tab) keep() {
	if picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot()); err == nil {
		if err := os.WriteFile(filepath.Join(p.t.ArtifactDir(), "page.png"), picture, 0o600); err != nil {
			p.t.Error(err)
		}
	}
}

// clean fails the test if something went wrong in the page, or if it asked another
// server than the one at url.
func (p *tab) clean(url string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, what := range p.wrong {
		p.t.Error("in the page: ", what)
	}
	for _, asked := range p.asked {
		if !strings.HasPrefix(asked, url+"/") && !strings.HasPrefix(asked, "data:") && asked != "about:blank" {
			p.t.Error("the page asked for ", asked)
		}
	}
	p.wrong, p.asked = nil, nil
}
