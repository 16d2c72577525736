// Package explorer serves the page where a person reads the API document and tries
// its operations. All of it is in the binary: the page asks no other host for
// anything, and its policy lets the browser ask none. A binary that was built
// without npm has a page that says what is missing.
package explorer

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
)

// Path is where the explorer is.
const Path = "/docs"

// bundles are the files that the page links, by the names that it has for them.
var bundles = map[string]string{
	"Script":  "web-components.min.js",
	"Style":   "styles.min.css",
	"License": "web-components.min.js.LICENSE.txt",
}

//go:embed all:assets
var built embed.FS

//go:embed page.html missing.html
var pages embed.FS

// Explorer is the page and the files that it is made of.
type Explorer struct {
	page    page
	bundles map[string]bundle // by path
}

// Built returns the explorer that the build has put into the binary.
func Built() (*Explorer, error) {
	assets, err := fs.Sub(built, "assets")
	if err != nil {
		return nil, fmt.Errorf("open the explorer's files: %w", err)
	}
	return New(assets)
}

// New makes the explorer of the bundles in assets, packed by gzip. Without them its
// page says how they get there.
func New(assets fs.FS) (*Explorer, error) {
	e := &Explorer{bundles: map[string]bundle{}}
	links := map[string]string{}
	for link, name := range bundles {
		packed, err := fs.ReadFile(assets, name+".gz")
		if errors.Is(err, fs.ErrNotExist) {
			return e, e.show("missing.html", nil)
		}
		if err != nil {
			return nil, fmt.Errorf("read the explorer's files: %w", err)
		}
		b := newBundle(name, packed)
		e.bundles[b.path], links[link] = b, b.path
	}
	return e, e.show("page.html", links)
}

// show makes the page of a template.
func (e *Explorer) show(name string, links map[string]string) error {
	t, err := template.ParseFS(pages, name)
	if err != nil {
		return fmt.Errorf("read the explorer's page: %w", err)
	}
	var text bytes.Buffer
	if err := t.Execute(&text, links); err != nil {
		return fmt.Errorf("write the explorer's page: %w", err)
	}
	e.page = newPage(text.Bytes())
	return nil
}

// Handler returns what answers a request for the explorer, or nil if the request is
// for something else.
func (e *Explorer) Handler(r *http.Request) http.Handler {
	if asked := path.Clean(r.URL.Path); asked == Path || asked == "/" && fromBrowser(r) {
		return e.page
	}
	if b, known := e.bundles[r.URL.Path]; known {
		return b
	}
	return nil
}
