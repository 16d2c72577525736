package explorer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// policy lets the page run the scripts of its server and no other, and ask its server
// and no other.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page is text for a person.
type page struct {
	text []byte
	etag string
}

func newPage(text []byte) page { return page{text, `"` + digest(text) + `"`} }

// ServeHTTP answers with the page, which may be kept and is asked for again.
func (p page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-cache")
	h.Set("Etag", p.etag)
	if r.URL.Path == "/" {
		h.Set("Vary", "Accept")
	}
	harden(h)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.text))
}

// harden says what every answer of the explorer says to a browser.
func harden(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// fromBrowser reports whether a request prefers a page. Of clients of the API, none does.
func fromBrowser(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Accept"), "text/html")
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
