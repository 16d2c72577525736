package sprite_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/agent-on-demand/aod/sprite"
	"github.com/agent-on-demand/aod/sprite/local"
)

// listing is a client of a service that answers the requests for a list one after the
// other, the last answer over and over. A three-digit number before an answer is its status.
func listing(t *testing.T, answers ...string) *sprite.Client {
	t.Helper()
	next := 0
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/sprites" || r.URL.Query().Get("prefix") != "p-" || r.Header.Get("Authorization") != "Bearer t" {
			t.Errorf("%s %q", r.URL, r.Header)
		}
		status, body := 200, answers[min(next, len(answers)-1)]
		next++
		if _, err := fmt.Sscanf(body, "%d ", &status); err == nil {
			body = body[4:]
		}
		if strings.HasSuffix(body, "~") { // cut short
			w.Header().Set("Content-Length", "10000")
		}
		w.WriteHeader(status)
		fmt.Fprint(w, strings.ReplaceAll(body, "#", fmt.Sprint(next)))
	}))
	t.Cleanup(service.Close)
	client := sprite.New(sprite.Config{Token: "t", BaseURL: service.URL})
	t.Cleanup(client.Close)
	return client
}

func TestListHasAllPagesInOrder(t *testing.T) {
	t.Parallel()
	client := listing(t,
		`{"sprites":[{"name":"p-b","status":"warm","created_at":"2026-01-02T03:04:05Z"},{"name":"p-c","created_at":null}],"has_more":true,"next_continuation_token":"x"}`,
		`{"sprites":[],"has_more":true,"next_continuation_token":"y"}`,
		`{"sprites":[{"name":"p-a"}],"has_more":false,"next_continuation_token":null,"org":{"name":"o"}}`)
	names, err := client.List(t.Context(), "p-")
	if err != nil || !slices.Equal(names, []string{"p-a", "p-b", "p-c"}) {
		t.Errorf("%v %v", names, err)
	}
	if names, err := listing(t, `{"sprites":[],"has_more":false}`).List(t.Context(), "p-"); err != nil || len(names) != 0 {
		t.Errorf("%v %v", names, err)
	}
}

// What cannot be read to its end is no list, least of all an empty one.
func TestUnreadableListIsNoList(t *testing.T) {
	t.Parallel()
	const first = `{"sprites":[{"name":"p-a"}],"has_more":true,"next_continuation_token":"x"}`
	for name, answers := range map[string][]string{
		"500":                      {`500 {"error":"internal"}`},
		"503 with a list":          {`503 {"sprites":[],"has_more":false}`},
		"201":                      {`201 {"sprites":[],"has_more":false}`},
		"401":                      {`401 {"error":"unauthorized"}`},
		"404":                      {`404 {"error":"not_found"}`},
		"429":                      {`429 {"error":"rate"}`},
		"500 later":                {first, `500 {"error":"internal"}`},
		"empty":                    {``},
		"empty later":              {first, ``},
		"null":                     {`null`},
		"no fields":                {`{}`},
		"no fields later":          {first, `{}`},
		"a page of a proxy":        {`<html>it works</html>`},
		"truncated":                {`{"sprites":[{"name":"p-a"},{"na`},
		"cut short":                {`{"sprites":[],"has_more":false}~`},
		"more after it":            {`{"sprites":[],"has_more":false}{}`},
		"sprites missing":          {`{"has_more":false}`},
		"sprites null":             {`{"sprites":null,"has_more":false}`},
		"sprites an object":        {`{"sprites":{},"has_more":false}`},
		"an array":                 {`[]`},
		"has_more missing":         {`{"sprites":[]}`},
		"has_more null":            {`{"sprites":[],"has_more":null}`},
		"has_more a text":          {`{"sprites":[],"has_more":"false"}`},
		"a name missing":           {`{"sprites":[{"status":"warm"}],"has_more":false}`},
		"a name null":              {`{"sprites":[{"name":null}],"has_more":false}`},
		"a name a number":          {`{"sprites":[{"name":5}],"has_more":false}`},
		"a sprite null":            {`{"sprites":[null],"has_more":false}`},
		"a sprite a text":          {`{"sprites":["p-a"],"has_more":false}`},
		"a time empty":             {`{"sprites":[{"name":"p-a","created_at":""}],"has_more":false}`},
		"another prefix":           {`{"sprites":[{"name":"p-a"},{"name":"q-b"}],"has_more":false}`},
		"a name that is a path":    {`{"sprites":[{"name":"p-/../q"}],"has_more":false}`},
		"more without a token":     {`{"sprites":[{"name":"p-a"}],"has_more":true}`},
		"more with a null token":   {`{"sprites":[{"name":"p-a"}],"has_more":true,"next_continuation_token":null}`},
		"more with an empty token": {`{"sprites":[{"name":"p-a"}],"has_more":true,"next_continuation_token":""}`},
		"a token a number":         {`{"sprites":[{"name":"p-a"}],"has_more":true,"next_continuation_token":7}`},
		"a token again":            {first, `{"sprites":[{"name":"p-b"}],"has_more":true,"next_continuation_token":"x"}`},
		"an older token again":     {first, `{"sprites":[],"has_more":true,"next_continuation_token":"y"}`, `{"sprites":[],"has_more":true,"next_continuation_token":"x"}`},
		"the first page for ever":  {`{"sprites":[{"name":"p-a"}],"has_more":true,"next_continuation_token":"#"}`},
		"pages without an end":     {`{"sprites":[{"name":"p-#"}],"has_more":true,"next_continuation_token":"#"}`},
		"ends too early on page 2": {first, `{"sprites":[{"name":"p-b"}],"has_more":true}`},
		"redirected into the blue": {`302 {"sprites":[],"has_more":false}`},
		"a page of nine megabytes": {`{"sprites":[],"has_more":false,"padding":"` + strings.Repeat("x", 9<<20) + `"}`},
		"a page in UTF-16":         {"\xff\xfe{}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if names, err := listing(t, answers...).List(t.Context(), "p-"); err == nil || names != nil {
				t.Errorf("%q", names)
			} else if !strings.HasPrefix(err.Error(), "list sprites: ") {
				t.Error(err)
			}
		})
	}
	gone := sprite.New(sprite.Config{Token: "t", BaseURL: "http://127.0.0.1:1"})
	defer gone.Close()
	if names, err := gone.List(t.Context(), "p-"); err == nil {
		t.Errorf("%q", names)
	}
}

// The local host pages as the real one does.
func TestListOfTheLocalHost(t *testing.T) {
	t.Parallel()
	host := openHost(t, local.None)
	client := sprite.New(sprite.Config{Token: "t", Dial: host.DialContext})
	defer client.Close()
	var want []string
	for i := range 52 { // two pages
		want = append(want, fmt.Sprintf("aod-00000001-%02d", i))
	}
	for _, name := range append([]string{"aod-00000001", "aod-000000010-x", "aod-00000002-x", "other"}, want...) {
		if err := client.Create(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := client.List(t.Context(), "aod-00000001-"); err != nil || !slices.Equal(names, want) {
		t.Errorf("%v %v", names, err)
	}
	for _, name := range want {
		if err := client.Destroy(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := client.List(t.Context(), "aod-00000001-"); err != nil || len(names) != 0 {
		t.Errorf("%v %v", names, err)
	}
}
