package sprite

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// A service that fails, or breaks the connection, is asked again; one that refuses is not.
func TestCallsAreMadeAgain(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := asked.Add(1); {
		case r.URL.Path != "/v1/sprites/unsteady":
			w.WriteHeader(http.StatusForbidden)
		case n == 1:
			w.WriteHeader(http.StatusBadGateway)
		case n == 2:
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	defer service.Close()
	c := New(Config{Token: "t", BaseURL: service.URL})
	defer c.Close()
	if err := c.Destroy(t.Context(), "unsteady"); err != nil || asked.Load() != 3 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
	asked.Store(0)
	if err := c.Destroy(t.Context(), "refused"); err == nil || asked.Load() != 1 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
}
