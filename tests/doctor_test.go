package tests

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// diagnosis is what aod doctor says, by check: the state and the text.
func diagnosis(t *testing.T, env []string, dir string) (found map[string]string, err error) {
	t.Helper()
	printed, words, err := aod(t, env, "doctor", "-o", "json", "--data-dir", dir)
	var all []struct{ Check, State, Text string }
	if bad := json.Unmarshal([]byte(printed), &all); bad != nil {
		t.Fatalf("%v: %q %q", bad, printed, words)
	}
	found = map[string]string{}
	for _, v := range all {
		found[v.Check] = v.State + " " + v.Text
	}
	return found, err
}

func says(t *testing.T, found map[string]string, check, want string) {
	t.Helper()
	if !strings.HasPrefix(found[check], want) {
		t.Errorf("%s: %q, want %q", check, found[check], want)
	}
}

// Doctor looks at all that a server needs, and finds what is wrong with it.
func TestDoctorFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.secretive(1)
	found, err := diagnosis(t, nil, a.dir)
	if err != nil {
		t.Error(err)
	}
	for check, want := range map[string]string{
		"database": "ok it can be read and decrypted and is whole, in ", "keys": "ok one, in ", "clock": "ok 2", "isolation": "ok namespaces", "sprites": "ok one ran a command", "limits": "ok ", "network": "ok ",
	} {
		says(t, found, check, want)
	}
	if state := strings.Fields(found["disk"])[0]; state != "ok" && state != "warning" {
		t.Errorf("disk: %q", found["disk"])
	}
	found, _ = diagnosis(t, []string{"AOD_SPRITE_DISK=900TiB"}, a.dir)
	says(t, found, "disk", "warning ")

	for _, step := range []struct{ do, want string }{{"rotate", "warning all "}, {"drop", "ok one, in "}} {
		if _, words, err := aod(t, nil, "key", step.do, "--data-dir", a.dir); err != nil {
			t.Fatal(words, err)
		}
		found, err = diagnosis(t, nil, a.dir)
		if says(t, found, "keys", step.want); err != nil {
			t.Error(err)
		}
	}
	a.sql("UPDATE environments SET sealed_vars = CAST(x'deadbeef' || substr(sealed_vars, 5) AS BLOB)")
	a.sql("UPDATE tokens SET created_at = ?", time.Now().Add(time.Hour).UnixMicro())
	found, err = diagnosis(t, nil, a.dir)
	if err == nil {
		t.Error("it ends with 0")
	}
	says(t, found, "keys", "failed values are encrypted with keys that are not in ")
	says(t, found, "clock", "failed it shows ")
	if !strings.Contains(found["keys"], "deadbeef") || !strings.Contains(found["clock"], "set the clock") {
		t.Errorf("%q, %q", found["keys"], found["clock"])
	}
}

// With SPRITES_TOKEN the service is asked whether it takes the token, which nobody is shown.
func TestDoctorAsksTheSpritesService(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	const token = "token-of-the-sprites-service"
	check := func(status int, date time.Time, healthy bool, sprites, clock string) {
		t.Helper()
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+token || r.URL.Path != "/v1/sprites" {
				t.Errorf("asked for %s", r.URL)
			}
			w.Header().Set("Date", date.UTC().Format(http.TimeFormat))
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"sprites":[],"has_more":false,"hint":"` + token + `"}`))
		}))
		defer service.Close()
		if status == 0 {
			service.Close()
		}
		found, err := diagnosis(t, []string{"SPRITES_TOKEN=" + token, "SPRITES_BASE_URL=" + service.URL}, dir)
		if (err == nil) != healthy {
			t.Errorf("ended with %v", err)
		}
		says(t, found, "isolation", "ok that of the Sprites service")
		says(t, found, "sprites", strings.ReplaceAll(sprites, "SERVICE", service.URL))
		says(t, found, "time", clock)
		for name, text := range found {
			if strings.Contains(text, token) {
				t.Errorf("%s shows the token: %s", name, text)
			}
		}
	}
	now := time.Now()
	check(200, now, true, "ok the service takes the token and answers in ", "ok it agrees with that of the Sprites service")
	check(200, now.Add(-time.Hour), true, "ok the service takes the token", "warning it differs by ")
	check(401, now, false, "failed the Sprites service at SERVICE refuses the token: it answers 401 Unauthorized; set SPRITES_TOKEN", "")
	check(502, now, false, "failed the Sprites service at SERVICE answers 502 Bad Gateway", "")
	check(0, now, false, "failed the Sprites service at SERVICE cannot be reached: ", "")
}
