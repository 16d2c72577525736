package tests

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"

	"github.com/agent-on-demand/aod/server"
)

// newToken makes a token of user admin that is good for so long; 0 is for ever.
func (a *api) newToken(expires time.Duration) (id, token string) {
	a.t.Helper()
	st, err := server.OpenStore(a.t.Context(), server.Config{DataDir: a.dir})
	if err != nil {
		a.t.Fatal(err)
	}
	defer st.Close()
	secret, row, err := st.CreateToken(a.t.Context(), "admin", "test", expires)
	if err != nil {
		a.t.Fatal(err)
	}
	return row.ID, secret.Reveal()
}

// sql runs a statement in the database, beside the server.
func (a *api) sql(statement string, values ...any) {
	a.t.Helper()
	db, err := gorm.Open(sqlite.Open(filepath.Join(a.dir, "aod.db") + "?_busy_timeout=5000"))
	if err != nil {
		a.t.Fatal(err)
	}
	pool, err := db.DB()
	if err != nil {
		a.t.Fatal(err)
	}
	defer pool.Close()
	if err := db.WithContext(context.Background()).Exec(statement, values...).Error; err != nil {
		a.t.Fatal(err)
	}
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	a := start(t)
	const none, unknown = "Missing or invalid Authorization header", "Invalid API key"
	a.promise("2 every route but health, its probes and the document needs a token", func(a *api) {
		open := map[string]bool{"/health": true, "/livez": true, "/readyz": true, "/openapi.yaml": true, "/openapi.json": true}
		a.ready()
		for path, methods := range routes(a.t) {
			for _, method := range methods {
				got := a.as("").call(method, filled(path), "not json")
				if open[path] {
					got.want(200)
					continue
				}
				got.detail(401, none)
				a.as("aod_unknown").call(method, filled(path), "not json").detail(401, unknown)
			}
		}
	})
	a.promise("2 the scheme is Bearer and one blank, and the rest is the token as it is", func(a *api) {
		for header, text := range map[string]string{
			"": none, a.token: none, "bearer " + a.token: none, "BEARER " + a.token: none, "Bearer": none, "Basic " + a.token: none, "Bearer\t" + a.token: none,
			"Bearer  " + a.token: unknown, "Bearer " + strings.ToUpper(a.token): unknown, "Bearer " + a.token + "x": unknown, "Bearer x": unknown, "Bearer " + strings.Repeat("x", 10_000): unknown,
		} {
			a.as("").call("GET", "/agents", "", "Authorization", header).detail(401, text)
		}
		a.as("").call("GET", "/agents", "", "Authorization", "Bearer "+a.token).want(200)
	})
	a.promise("2 of several headers the first counts", func(a *api) {
		r, err := http.NewRequest("GET", a.url+"/agents", nil)
		if err != nil {
			a.t.Fatal(err)
		}
		r.Header["Authorization"] = []string{"Bearer x", "Bearer " + a.token}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			a.t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != 401 {
			a.t.Errorf("got %s", answer.Status)
		}
	})
	a.promise("2 a revoked token is inactive, also when it has expired", func(a *api) {
		id, token := a.newToken(time.Hour)
		a.as(token).get("/agents").want(200)
		if _, words, err := aod(a.t, nil, "token", "revoke", id, "--data-dir", a.dir); err != nil {
			a.t.Fatal(words, err)
		}
		a.as(token).get("/agents").detail(401, "API key is inactive")
		a.sql("UPDATE tokens SET expires_at = 1 WHERE id = ?", id)
		a.as(token).get("/agents").detail(401, "API key is inactive")
	})
	a.promise("2 a token that has expired says so", func(a *api) {
		_, token := a.newToken(time.Microsecond)
		a.as(token).get("/agents").detail(401, "API key has expired")
	})
	a.promise("2 a token is aod_ and 43 characters, and only its hash is kept", func(a *api) {
		if len(a.token) != 47 || !strings.HasPrefix(a.token, "aod_") {
			a.t.Errorf("%d characters", len(a.token))
		}
	})
	a.promise("2 a 401 comes before every other answer", func(a *api) {
		a.as("x").post("/agents", "not json").detail(401, unknown)
		a.as("x").get("/sessions/"+nobodys+"/stream?since=x").detail(401, unknown)
		a.as("x").call("POST", "/agents", "{}", "Idempotency-Key", "").detail(401, unknown)
	})
}

func TestHealth(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.promise("3 health needs no token and says what was checked", func(a *api) {
		const want = `{"status":"ok","version":"test","isolation":"namespaces","checks":{"store":"ok","encryption":"ok"}}` + "\n"
		for _, token := range []string{"", "x", a.token} {
			if got := a.as(token).get("/health").want(200); got.body != want {
				a.t.Errorf("got %s", got.body)
			}
		}
	})
	a.promise("3 when a check fails it is named, without secrets or paths", func(a *api) {
		a.sql("UPDATE settings SET value = x'00' WHERE name = 'canary'")
		const want = `{"status":"unavailable","version":"test","isolation":"namespaces","checks":{"store":"ok","encryption":"failed"}}` + "\n"
		if got := a.get("/health").want(503); got.body != want {
			a.t.Errorf("got %s", got.body)
		}
	})
}
