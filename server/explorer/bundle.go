package explorer

import (
	"bytes"
	"compress/gzip"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// bundle is a file that a browser fetches once: another content has another path.
type bundle struct {
	path   string
	kind   string
	etag   string
	packed []byte // by gzip
}

func newBundle(name string, packed []byte) bundle {
	ext, sum := path.Ext(name), digest(packed)
	return bundle{Path + "/" + strings.TrimSuffix(name, ext) + "-" + sum + ext, mime.TypeByExtension(ext), `"` + sum + `"`, packed}
}

// ServeHTTP answers with the file, as it is packed if the client can unpack it.
func (b bundle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	harden(h)
	h.Set("Content-Type", b.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		b.unpack(w)
		return
	}
	h.Set("Content-Encoding", "gzip")
	h.Set("Etag", b.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b.packed))
}

func (b bundle) unpack(w io.Writer) {
	z, err := gzip.NewReader(bytes.NewReader(b.packed))
	if err == nil {
		_, err = io.Copy(w, z)
	}
	if err != nil {
		panic(http.ErrAbortHandler) // the client is gone: it must not take what it has for all
	}
}
