package local

import (
	"context"
	"errors"
	"net/http"
	"strconv"
)

// maxNamed is how many changed paths an answer names. It counts them all.
const maxNamed = 1000

// fileRequest is the body of every file operation that has one.
type fileRequest struct {
	Path       string `json:"path"`
	Source     string `json:"source"`
	Dest       string `json:"dest"`
	WorkingDir string `json:"workingDir"`
	Mode       string `json:"mode"`
	UID        *int   `json:"uid"`
	GID        *int   `json:"gid"`
	Recursive  bool   `json:"recursive"`
}

// deleteFile takes its parameters from the query, or else from the body. Every deletion is root's, with asRoot and without.
func (h *Host) deleteFile(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	body := fileRequest{Path: q.Get("path"), WorkingDir: q.Get("workingDir")}
	var err error
	if body.Path == "" {
		err = decode(r, &body)
	} else {
		body.Recursive, err = flag(q, "recursive", false)
	}
	if err != nil {
		return err
	}
	name, err := filePath(body.Path, body.WorkingDir)
	if err != nil {
		return err
	}
	return h.onFiles(w, r, name, func(_ context.Context, t *fileTree) error {
		if err := errors.Join(t.remove(name, body.Recursive), h.removed(r.PathValue("name"))); err != nil {
			return err
		}
		answer(w, http.StatusOK, map[string]any{"deleted": []string{name}, "count": 1})
		return nil
	})
}

func (h *Host) renameFile(w http.ResponseWriter, r *http.Request) error {
	_, source, dest, err := twoPaths(r)
	if err != nil {
		return err
	}
	return h.onFiles(w, r, source, func(_ context.Context, t *fileTree) error {
		if err := t.rename(source, dest); err != nil {
			return err
		}
		answer(w, http.StatusOK, map[string]string{"source": source, "dest": dest})
		return nil
	})
}

func (h *Host) copyFile(w http.ResponseWriter, r *http.Request) error {
	body, source, dest, err := twoPaths(r)
	if err != nil {
		return err
	}
	return h.onFiles(w, r, source, func(ctx context.Context, t *fileTree) error {
		left, err := h.allowance(r.PathValue("name"), 0)
		if err != nil {
			return err
		}
		c, err := t.copy(ctx, source, dest, body.Recursive, left)
		if err = errors.Join(err, h.wrote(r.PathValue("name"), c.taken)); err != nil {
			return err
		}
		copied := []map[string]string{{"source": source, "dest": dest}}
		answer(w, http.StatusOK, map[string]any{"copied": copied, "count": c.entries, "totalBytes": c.bytes})
		return nil
	})
}

func (h *Host) chmodFile(w http.ResponseWriter, r *http.Request) error {
	body, name, err := onePath(r)
	if err != nil {
		return err
	}
	mode, err := strconv.ParseUint(body.Mode, 8, 32)
	if err != nil || mode > 0o7777 {
		return badRequest("mode must be an octal number up to 07777")
	}
	text := "0" + strconv.FormatUint(mode, 8)
	return h.onFiles(w, r, name, func(ctx context.Context, t *fileTree) error {
		a := affected{also: map[string]any{"mode": text}}
		if err := t.chmod(ctx, name, uint32(mode), body.Recursive, a.add); err != nil {
			return err
		}
		a.answer(w)
		return nil
	})
}

func (h *Host) chownFile(w http.ResponseWriter, r *http.Request) error {
	body, name, err := onePath(r)
	if err != nil {
		return err
	}
	if body.UID == nil && body.GID == nil {
		return badRequest("uid or gid is missing")
	}
	uid, gid := -1, -1
	if body.UID != nil {
		uid = *body.UID
	}
	if body.GID != nil {
		gid = *body.GID
	}
	return h.onFiles(w, r, name, func(ctx context.Context, t *fileTree) error {
		a := affected{also: map[string]any{"uid": body.UID, "gid": body.GID}}
		if err := t.chown(ctx, name, uid, gid, body.Recursive, a.add); err != nil {
			return err
		}
		a.answer(w)
		return nil
	})
}

// affected collects what a change has hit.
type affected struct {
	also  map[string]any // is said of every path
	named []map[string]any
	count int
}

func (a *affected) add(real string) {
	if a.count++; a.count > maxNamed {
		return
	}
	entry := map[string]any{"path": real}
	for k, v := range a.also {
		entry[k] = v
	}
	a.named = append(a.named, entry)
}

func (a *affected) answer(w http.ResponseWriter) {
	answer(w, http.StatusOK, map[string]any{"affected": a.named, "count": a.count})
}

func onePath(r *http.Request) (body fileRequest, name string, err error) {
	if err = decode(r, &body); err == nil {
		name, err = filePath(body.Path, body.WorkingDir)
	}
	return body, name, err
}

func twoPaths(r *http.Request) (body fileRequest, source, dest string, err error) {
	if err = decode(r, &body); err != nil {
		return body, "", "", err
	}
	if body.Source == "" || body.Dest == "" {
		return body, "", "", badRequest("source or dest is missing")
	}
	if source, err = filePath(body.Source, body.WorkingDir); err == nil {
		dest, err = filePath(body.Dest, body.WorkingDir)
	}
	return body, source, dest, err
}
