package local

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strconv"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/shim"
	"golang.org/x/sys/unix"
)

const (
	// maxFile bounds what one write carries, and bodyTime how long its client may take to send it.
	maxFile  = 64 << 20
	bodyTime = 5 * time.Minute
	// partTime is how long an interrupted client has to take its answer.
	partTime = time.Second
)

// file is the wire form of a directory entry.
type file struct {
	Name    string    `json:"name"`
	Path    string    `json:"path"`
	Type    string    `json:"type"`
	Size    int64     `json:"size"`
	Mode    string    `json:"mode"`
	ModTime time.Time `json:"modTime"`
	IsDir   bool      `json:"isDir"`
}

// readFile holds the Sprite only until the file is open: a client may be slow to read.
func (h *Host) readFile(w http.ResponseWriter, r *http.Request) error {
	var f *os.File
	var size int64
	err := h.onFile(w, r, func(t *fileTree, name string) (err error) {
		if f, err = t.open(name); err != nil {
			return err
		}
		fi, err := f.Stat()
		if err == nil && fi.IsDir() {
			err = unix.EISDIR
		} else if err == nil && !fi.Mode().IsRegular() {
			err = unix.EINVAL
		}
		if err != nil {
			err, f = errors.Join(err, f.Close()), nil
			return err
		}
		size = fi.Size()
		return nil
	})
	if err != nil || f == nil {
		return err // or it is answered
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	_, _ = io.CopyN(w, f, size) // a shorter body than announced is an error to the client
	return nil
}

// writeFile replaces the file as a whole: readers see the old content or the new.
func (h *Host) writeFile(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	mode, err := permissions(q.Get("mode"))
	if err != nil {
		return err
	}
	parents, err := flag(q, "mkdirParents", false)
	if err == nil && q.Has("mkdir") {
		parents, err = flag(q, "mkdir", false)
	}
	if err != nil {
		return err
	}
	return h.onFile(w, r, func(t *fileTree, name string) error {
		left, err := h.allowance(r.PathValue("name"), r.ContentLength)
		if err != nil {
			return err
		}
		in := http.NewResponseController(w)
		defer in.SetReadDeadline(time.Time{}) // for the connection's next request
		if err := in.SetReadDeadline(time.Now().Add(bodyTime)); err != nil {
			return err
		}
		n, err := t.write(name, http.MaxBytesReader(w, r.Body, min(left, maxFile)), mode, parents)
		var tooBig *http.MaxBytesError
		if errors.As(err, &tooBig) && left < maxFile {
			return diskFull(shim.FullText(h.opts.Disk, h.opts.Disk))
		}
		if errors.As(err, &tooBig) {
			return &apiError{http.StatusRequestEntityTooLarge, "too_large", "a file may have up to 64 MiB here"}
		}
		if err == nil {
			err = h.wrote(r.PathValue("name"), n)
		}
		if err != nil {
			return err
		}
		answer(w, http.StatusOK, map[string]any{"path": name, "size": n, "mode": octal(mode)})
		return nil
	})
}

// listFiles answers a folder's children, or the one file of that name.
func (h *Host) listFiles(w http.ResponseWriter, r *http.Request) error {
	return h.onFile(w, r, func(t *fileTree, name string) error {
		infos, dir, err := t.list(name)
		if err != nil {
			return err
		}
		out := make([]file, 0, len(infos))
		for _, fi := range infos {
			p := name
			if dir {
				p = path.Join(name, fi.Name())
			}
			out = append(out, wireFile(p, fi))
		}
		answer(w, http.StatusOK, map[string]any{"path": name, "entries": out, "count": len(out)})
		return nil
	})
}

// onFile runs f on the Sprite's files with the path of the request's query.
func (h *Host) onFile(w http.ResponseWriter, r *http.Request, f func(t *fileTree, name string) error) error {
	q := r.URL.Query()
	name, err := filePath(q.Get("path"), q.Get("workingDir"))
	if err != nil {
		return err
	}
	return h.onFiles(w, r, name, func(_ context.Context, t *fileTree) error { return f(t, name) })
}

// onFiles runs f on the Sprite's files; name is what an error is about. A destruction ends the context, and the waiting for the client.
func (h *Host) onFiles(w http.ResponseWriter, r *http.Request, name string, f func(ctx context.Context, t *fileTree) error) error {
	return h.using(r, func(rec record) error {
		ctx, done := h.errand(r.Context(), rec.Name)
		defer done()
		conn := http.NewResponseController(w)
		defer context.AfterFunc(ctx, func() {
			_ = conn.SetReadDeadline(time.Unix(1, 0))
			_ = conn.SetWriteDeadline(time.Now().Add(partTime))
		})()
		t, err := h.openFiles(rec)
		if err != nil {
			return err
		}
		defer t.close()
		err = f(ctx, t)
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return h.failFile(w, r, name, err)
		}
		return nil
	})
}

// filePath makes a request's path absolute and clean.
func filePath(name, workingDir string) (string, error) {
	if name == "" {
		return "", badRequest("path is missing")
	}
	if !path.IsAbs(name) {
		name = path.Join("/", workingDir, name)
	}
	return path.Clean(name), nil
}

// fileErrors are the codes that clients know, with their status.
var fileErrors = []struct {
	is     error
	code   string
	status int
}{
	{fs.ErrNotExist, "ENOENT", http.StatusNotFound},
	{unix.EISDIR, "EISDIR", http.StatusBadRequest},
	{unix.ENOTDIR, "ENOTDIR", http.StatusBadRequest},
	{unix.ENOTEMPTY, "ENOTEMPTY", http.StatusConflict},
	{unix.EEXIST, "EEXIST", http.StatusConflict},
	{unix.EBUSY, "EBUSY", http.StatusConflict},
	{unix.ELOOP, "ELOOP", http.StatusBadRequest},
	{unix.EINVAL, "EINVAL", http.StatusBadRequest},
	{unix.ENAMETOOLONG, "ENAMETOOLONG", http.StatusBadRequest},
	{unix.ENOSPC, "ENOSPC", http.StatusInsufficientStorage},
	{unix.EACCES, "EACCES", http.StatusForbidden},
	{fs.ErrPermission, "EPERM", http.StatusForbidden},
}

// failFile answers a failed operation in the form of the file API.
func (h *Host) failFile(w http.ResponseWriter, r *http.Request, name string, err error) error {
	var e *apiError
	if errors.As(err, &e) {
		return err
	}
	for _, known := range fileErrors {
		if errors.Is(err, known.is) {
			answer(w, known.status, map[string]string{"error": shorten(err.Error()), "code": known.code, "path": name})
			return nil
		}
	}
	h.complain(r, err)
	answer(w, http.StatusInternalServerError, map[string]string{"error": shorten(err.Error()), "code": "EIO", "path": name})
	return nil
}

func wireFile(name string, fi fs.FileInfo) file {
	kind := "file"
	if fi.IsDir() {
		kind = "directory"
	}
	return file{Name: fi.Name(), Path: name, Type: kind, Size: fi.Size(), Mode: octal(fi.Mode().Perm()), ModTime: fi.ModTime().UTC(), IsDir: fi.IsDir()}
}

func octal(mode fs.FileMode) string { return "0" + strconv.FormatUint(uint64(mode.Perm()), 8) }

// permissions reads an octal mode; the default is 0644. Only permission bits are taken.
func permissions(s string) (fs.FileMode, error) {
	if s == "" {
		return 0o644, nil
	}
	m, err := strconv.ParseUint(s, 8, 32)
	if err != nil {
		return 0, badRequest("mode must be an octal number")
	}
	return fs.FileMode(m) & fs.ModePerm, nil
}
