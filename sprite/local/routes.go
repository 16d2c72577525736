package local

import (
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
)

// spriteVersion tells clients which forms of the protocol this host speaks.
const spriteVersion = "0.1.0"

// handler answers a request or says why it cannot.
type handler func(w http.ResponseWriter, r *http.Request) error

func (h *Host) routes() http.Handler {
	mux := http.NewServeMux()
	methods := map[string][]string{}
	for pattern, serve := range map[string]handler{
		"POST /v1/sprites":                                 h.createSprite,
		"GET /v1/sprites":                                  h.listSprites,
		"GET /v1/sprites/{name}":                           h.getSprite,
		"PUT /v1/sprites/{name}":                           h.updateSprite,
		"DELETE /v1/sprites/{name}":                        h.deleteSprite,
		"POST /v1/sprites/{name}/upgrade":                  h.upgradeSprite,
		"GET /v1/sprites/{name}/exec":                      h.exec, // and HEAD
		"POST /v1/sprites/{name}/exec":                     h.plainExec,
		"GET /v1/sprites/{name}/exec/{id}":                 h.attach,
		"POST /v1/sprites/{name}/exec/{id}/kill":           h.killSession,
		"/v1/sprites/{name}/control":                       noControl,
		"GET /v1/sprites/{name}/fs/read":                   h.readFile,
		"PUT /v1/sprites/{name}/fs/write":                  h.writeFile,
		"GET /v1/sprites/{name}/fs/list":                   h.listFiles,
		"DELETE /v1/sprites/{name}/fs/delete":              h.deleteFile,
		"POST /v1/sprites/{name}/fs/rename":                h.renameFile,
		"POST /v1/sprites/{name}/fs/copy":                  h.copyFile,
		"POST /v1/sprites/{name}/fs/chmod":                 h.chmodFile,
		"POST /v1/sprites/{name}/fs/chown":                 h.chownFile,
		"GET /v1/sprites/{name}/policy/network":            h.getPolicy,
		"POST /v1/sprites/{name}/policy/network":           h.setPolicy,
		"POST /v1/sprites/{name}/checkpoint":               h.createCheckpoint,
		"GET /v1/sprites/{name}/checkpoints":               h.listCheckpoints,
		"GET /v1/sprites/{name}/checkpoints/{id}":          h.getCheckpoint,
		"DELETE /v1/sprites/{name}/checkpoints/{id}":       h.deleteCheckpoint,
		"POST /v1/sprites/{name}/checkpoints/{id}/restore": h.restoreCheckpoint,
		"/v1/sprites/{name}/{rest...}":                     h.noSuchPart,
		"/": func(http.ResponseWriter, *http.Request) error {
			return &apiError{http.StatusNotFound, "not_found", "no such path"}
		},
	} {
		h.handle(mux, pattern, serve)
		if method, path, ok := strings.Cut(pattern, " "); ok {
			methods[path] = append(methods[path], method)
		}
	}
	for path, allowed := range methods {
		h.handle(mux, path, otherMethod(allowed))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Sprite-Version", spriteVersion)
		if !h.authorized(r) {
			h.fail(w, r, &apiError{http.StatusUnauthorized, "unauthorized", "the bearer token is missing or wrong"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (h *Host) handle(mux *http.ServeMux, pattern string, serve handler) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := serve(w, r); err != nil {
			h.fail(w, r, err)
		}
	})
}

// otherMethod answers for a path that is asked for with a method that it does not have.
func otherMethod(allowed []string) handler {
	slices.Sort(allowed)
	list := strings.Join(allowed, ", ")
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Allow", list)
		return &apiError{http.StatusMethodNotAllowed, "method_not_allowed", "this path takes " + list}
	}
}

func (h *Host) authorized(r *http.Request) bool {
	want := "Bearer " + h.opts.Token
	return subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(want)) == 1
}

// noControl answers at once, because clients wait long for this path. They go on with plain execs.
func noControl(http.ResponseWriter, *http.Request) error {
	return &apiError{http.StatusNotFound, "not_found", "this host has no control channel"}
}

// absent are the parts of the protocol that this host leaves out, by how their paths begin.
var absent = []string{"services", "proxy", "ports", "fs/watch", "policy/privileges", "policy/resources", "tasks"}

// noSuchPart tells what this host leaves out from what nobody has.
func (h *Host) noSuchPart(_ http.ResponseWriter, r *http.Request) error {
	if _, err := h.load(r.PathValue("name")); err != nil {
		return err
	}
	rest := r.PathValue("rest")
	for _, part := range absent {
		if within(rest, part) {
			return notImplemented("the local sprites host does not offer " + part)
		}
	}
	return &apiError{http.StatusNotFound, "not_found", "no such path"}
}

// using loads the Sprite of the request and holds it in existence while f runs.
func (h *Host) using(r *http.Request, f func(record) error) error {
	name := r.PathValue("name")
	_, release := h.gates.use(name)
	defer release()
	rec, err := h.load(name)
	if err != nil {
		return err
	}
	return f(rec)
}
