package local_test

import (
	"encoding/json"
	"net/http"
	"testing"
)

// What an exec is refused for is said before the upgrade, in JSON that clients can read whole.
func TestRefusalsAreSmallJSON(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "refuse")
	for path, status := range map[string]int{
		"/none/exec?cmd=true": 404, "/refuse/exec?cmd=true&tty=maybe": 400, "/refuse/exec?cmd=true&stdin=x": 400,
		"/refuse/exec?tty=true&rows=65536": 400, "/refuse/exec?tty=true&cols=-1": 400, "/refuse/exec?cmd=true&max_run_after_disconnect=soon": 400,
		"/refuse/exec?cmd=/etc/passwd": 400, "/refuse/exec?cmd=/tmp": 400, "/refuse/exec?cmd=no-such-program": 400, "/refuse/exec?cmd=": 400, "/refuse/exec?cmd=true&dir=/etc/passwd": 400,
		"/refuse/exec?cmd=true&env=%00": 400, "/refuse/exec?cmd=tr%00ue": 400,
		"/none/exec/1": 404, "/refuse/exec/none": 404, "/refuse/exec?id=none": 404, "/refuse/exec?id=": 404, "/refuse/exec/none?stdin=x": 400, "/refuse/control": 404,
	} {
		got, body := m.upgrade(t, "/v1/sprites"+path)
		var e struct{ Error, Message string }
		if err := json.Unmarshal([]byte(body), &e); err != nil || got != status || e.Error == "" || e.Message == "" || len(body) >= 1024 {
			t.Errorf("%s: %d %q %v", path, got, body, err)
		}
	}
	for _, wrong := range []string{"", "wrong", token + "x"} {
		if status, body := m.request(t, http.MethodGet, "/v1/sprites/refuse/exec", "", wrong); status != http.StatusUnauthorized || body == "" {
			t.Errorf("token %q: %d %s", wrong, status, body)
		}
	}
}
