package local

import (
	"crypto/subtle"
	"net/http"
)

// spriteVersion tells clients which forms of the protocol this host speaks.
const spriteVersion = "0.1.0"

// handler answers a request or says why it cannot.
type handler func(w http.ResponseWriter, r *http.Request) error

func (h *Host) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, serve := range map[string]handler{
		"POST /v1/sprites":                       h.createSprite,
		"GET /v1/sprites":                        h.listSprites,
		"GET /v1/sprites/{name}":                 h.getSprite,
		"PUT /v1/sprites/{name}":                 h.updateSprite,
		"DELETE /v1/sprites/{name}":              h.deleteSprite,
		"GET /v1/sprites/{name}/exec":            h.exec, // and HEAD
		"GET /v1/sprites/{name}/exec/{id}":       h.attach,
		"POST /v1/sprites/{name}/exec/{id}/kill": h.killSession,
		"/v1/sprites/{name}/control":             noControl,
		"GET /v1/sprites/{name}/fs/read":         h.readFile,
		"PUT /v1/sprites/{name}/fs/write":        h.writeFile,
		"GET /v1/sprites/{name}/fs/list":         h.listFiles,
		"DELETE /v1/sprites/{name}/fs/delete":    h.deleteFile,
		"GET /v1/sprites/{name}/policy/network":  h.getPolicy,
		"POST /v1/sprites/{name}/policy/network": h.setPolicy,
		"/v1/sprites/{name}/{rest...}":           h.notYet,
		"/": func(http.ResponseWriter, *http.Request) error {
			return &apiError{http.StatusNotFound, "not_found", "no such path"}
		},
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := serve(w, r); err != nil {
				h.fail(w, r, err)
			}
		})
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

func (h *Host) authorized(r *http.Request) bool {
	want := "Bearer " + h.opts.Token
	return subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(want)) == 1
}

// noControl answers at once, because clients wait long for this path. They go on with plain execs.
func noControl(http.ResponseWriter, *http.Request) error {
	return &apiError{http.StatusNotFound, "not_found", "this host has no control channel"}
}

// notYet answers for the parts of the protocol that this host does not speak.
func (h *Host) notYet(_ http.ResponseWriter, r *http.Request) error {
	if _, err := h.load(r.PathValue("name")); err != nil {
		return err
	}
	return notImplemented("the local sprites host does not offer " + r.Method + " " + r.PathValue("rest"))
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
