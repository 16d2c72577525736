package sprite_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/agent-on-demand/aod/sprite"
	"github.com/agent-on-demand/aod/sprite/local"
)

// A Sprite knows its home; the host that made it says the same.
func TestHomeIsWhatTheSpriteSays(t *testing.T) {
	t.Parallel()
	for _, isolation := range []local.Isolation{local.Namespaces, local.None} {
		t.Run(string(isolation), func(t *testing.T) {
			t.Parallel()
			host := openHost(t, isolation)
			client := sprite.New(sprite.Config{Token: "t", Dial: host.DialContext})
			defer client.Close()
			if _, err := client.Home(t.Context(), "there"); err == nil {
				t.Error("a Sprite that is not there has a home")
			}
			if err := client.Create(t.Context(), "there"); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if got, err := client.Home(t.Context(), "there"); err != nil || got != host.Home("there") {
					t.Errorf("%s, %v, want %s", got, err, host.Home("there"))
				}
			}
			if err := client.Destroy(t.Context(), "there"); err != nil {
				t.Fatal(err)
			}
			if _, err := client.Home(t.Context(), "there"); err == nil {
				t.Error("a Sprite that is gone has a home")
			}
		})
	}
}

// A Sprite is asked again while its service fails, or breaks the connection, and once if that refuses.
func TestHomeIsAskedForAgain(t *testing.T) {
	t.Parallel()
	host := openHost(t, local.Namespaces)
	var asked atomic.Int32
	pass := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "sprites"})
	pass.Transport = &http.Transport{DialContext: host.DialContext}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := asked.Add(1); {
		case !strings.HasSuffix(r.URL.Path, "/exec"):
			asked.Store(0)
			pass.ServeHTTP(w, r)
		case strings.Contains(r.URL.Path, "refused"):
			http.Error(w, "no", http.StatusForbidden)
		case n == 1:
			w.WriteHeader(http.StatusBadGateway)
		case n == 2:
			panic(http.ErrAbortHandler)
		default:
			pass.ServeHTTP(w, r)
		}
	}))
	defer service.Close()
	client := sprite.New(sprite.Config{Token: "t", BaseURL: service.URL})
	defer client.Close()
	if err := client.Create(t.Context(), "unsteady"); err != nil {
		t.Fatal(err)
	}
	if got, err := client.Home(t.Context(), "unsteady"); err != nil || got != host.Home("unsteady") || asked.Load() != 3 {
		t.Errorf("%q after %d times: %v", got, asked.Load(), err)
	}
	if err := client.Destroy(t.Context(), "unsteady"); err != nil {
		t.Error(err)
	}
	if _, err := client.Home(t.Context(), "refused"); err == nil || asked.Load() != 1 {
		t.Errorf("refused %d times: %v", asked.Load(), err)
	}
}
