package tests

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// pageOf is a list as it is answered.
type pageOf struct {
	Data       []struct{ ID, Status string }
	HasMore    *bool   `json:"has_more"`
	NextCursor *string `json:"next_cursor"`
}

func (p pageOf) ids() []string {
	ids := []string{}
	for _, row := range p.Data {
		ids = append(ids, row.ID)
	}
	return ids
}

// list returns the list at a path; query may be empty.
func (a *api) list(path, query string) pageOf {
	a.t.Helper()
	var p pageOf
	a.get(path + "?" + query).want(200).into(&p)
	return p
}

// make makes a row of each list and returns its id.
func (a *api) make(path string, n int) string {
	a.t.Helper()
	body := map[string]string{
		"/agents":       fmt.Sprintf(`{"name":"n%d","runtime":"shell","metadata":{"n":%d}}`, n, n),
		"/environments": fmt.Sprintf(`{"name":"n%d"}`, n),
	}[path]
	if path == "/sessions" {
		id := a.session("true")
		a.stream(id).rest()
		return id
	}
	return a.post(path, body).want(201).text("id")
}

// 13.4: pages of the three lists.
func TestPages(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, path := range []string{"/agents", "/environments", "/sessions"} {
		var made []string
		for n := range 7 {
			made = append(made, a.make(path, n))
		}
		slices.Reverse(made)
		a.promise("13.4 without limit there is everything and nothing else"+path, func(a *api) {
			all := a.get(path)
			if got := keys(a.t, all.body); got != "data" {
				a.t.Errorf("keys %s", got)
			}
			if got := a.list(path, "").ids(); !slices.Equal(got[:7], made) {
				a.t.Errorf("got %v, want %v", got, made)
			}
		})
		a.promise("13.4 with limit there are has_more and next_cursor"+path, func(a *api) {
			if got := keys(a.t, a.get(path+"?limit=3").want(200).body); got != "data has_more next_cursor" {
				a.t.Errorf("keys %s", got)
			}
			last := a.get(path + "?limit=1000").want(200)
			if last.field("has_more") != "false" || last.field("next_cursor") != "null" {
				a.t.Errorf("the last page ends %s", last.body[len(last.body)-60:])
			}
		})
		a.promise("13.4 pages follow each other without gaps"+path, func(a *api) {
			for limit := 1; limit <= 8; limit++ {
				if got := a.pages(path, limit, "", nil); !slices.Equal(got[:7], made) {
					a.t.Errorf("limit %d: %v, want %v", limit, got, made)
				}
			}
		})
		a.promise("13.4 a cursor outlives inserts and deletes"+path, func(a *api) {
			next := 100
			got := a.pages(path, 2, "", func() { a.make(path, next); next++ })
			if !slices.Equal(got[:7], made) {
				a.t.Errorf("got %v, want %v", got, made)
			}
			first := a.list(path, "limit=1")
			switch path { // the row that the cursor names goes
			case "/agents", "/environments":
				a.post(path+"/"+first.Data[0].ID+"/archive", "").want(200)
			case "/sessions":
				a.delete(path + "/" + first.Data[0].ID + "/delete").want(200)
			}
			second := a.list(path, "limit=1&cursor="+*first.NextCursor)
			if now := a.list(path, "limit=1"); now.Data[0].ID != second.Data[0].ID {
				a.t.Errorf("the second page begins with %s, want %s", second.Data[0].ID, now.Data[0].ID)
			}
		})
		a.promise("13.4 a cursor is good for one list of one user"+path, func(a *api) {
			cursor := *a.list(path, "limit=1").NextCursor
			const bad = "Value error, cursor is not the next_cursor of this list"
			for _, other := range []string{"/agents", "/environments", "/sessions"} {
				if other != path {
					a.get(other+"?limit=1&cursor="+cursor).problem("value_error", `["query","cursor"]`, bad)
				}
			}
			b := a.anotherUser()
			b.get(path+"?limit=1&cursor="+cursor).problem("value_error", `["query","cursor"]`, bad)
			for _, made := range []string{"", "x", "%00", cursor[1:], cursor + "A", strings.ToUpper(cursor), url.QueryEscape(cursor + "=")} {
				a.get(path+"?limit=1&cursor="+made).problem("value_error", `["query","cursor"]`, bad)
			}
			a.get(path+"?cursor="+cursor).problem("value_error", `["query","cursor"]`, "Value error, cursor needs limit")
		})
		a.promise("13.4 bad limits are told"+path, func(a *api) {
			for limit, want := range map[string][2]string{
				"0":                       {"greater_than_equal", "Input should be greater than or equal to 1"},
				"-1":                      {"greater_than_equal", "Input should be greater than or equal to 1"},
				"1001":                    {"less_than_equal", "Input should be less than or equal to 1000"},
				"99999999999999999999999": {"int_parsing", "Input should be a valid integer, unable to parse string as an integer"},
				"ten":                     {"int_parsing", "Input should be a valid integer, unable to parse string as an integer"},
				"1.5":                     {"int_parsing", "Input should be a valid integer, unable to parse string as an integer"},
				"":                        {"int_parsing", "Input should be a valid integer, unable to parse string as an integer"},
				"1&limit=2":               {"int_type", "Input should be a valid integer"},
			} {
				a.get(path+"?limit="+limit).problem(want[0], `["query","limit"]`, want[1])
			}
			a.get(path+"?limit=%zz").problem("value_error", `["query"]`, "Value error, the query is not well-formed")
			a.get(path + "?Limit=x&other=1&limits=0").want(200)
		})
	}
}

// pages reads a list page by page; between two pages it calls then, if there is one.
func (a *api) pages(path string, limit int, filter string, then func()) []string {
	a.t.Helper()
	ids := []string{}
	cursor := ""
	for {
		p := a.list(path, fmt.Sprintf("limit=%d%s%s", limit, filter, cursor))
		if len(p.Data) > limit || *p.HasMore != (p.NextCursor != nil) {
			a.t.Fatalf("a page of %d rows: %+v", len(p.Data), p)
		}
		ids = append(ids, p.ids()...)
		if !*p.HasMore {
			return ids
		}
		cursor = "&cursor=" + *p.NextCursor
		if then != nil {
			then()
		}
	}
}

// 13.4: filters.
func TestFilters(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.promise("13.4 agents by metadata", func(a *api) {
		create := func(metadata string) string {
			return a.post("/agents", `{"name":"x","runtime":"shell","metadata":`+metadata+`}`).want(201).text("id")
		}
		text := create(`{"team":"platform","tier":"2","a.b":"dot","":"empty key","$":"x"}`)
		number := create(`{"team":"web","tier":2,"beta":true,"none":null}`)
		nested := create(`{"team":{"name":"platform"},"list":[1,2],"half":1.5,"beta":false}`)
		for filter, want := range map[string][]string{
			"metadata[team]=platform":                         {text},
			"metadata[tier]=2":                                {number, text},
			"metadata[tier]=2&metadata[team]=web":             {number},
			"metadata[tier]=3&metadata[team]=web":             {},
			"metadata[beta]=true":                             {number},
			"metadata[beta]=false":                            {nested},
			"metadata[beta]=1":                                {},
			"metadata[none]=null":                             {number},
			"metadata[half]=1.5":                              {nested},
			"metadata[list]=[1,2]":                            {nested},
			"metadata[a.b]=dot":                               {text},
			"metadata[]=empty%20key":                          {text},
			"metadata[$]=x":                                   {text},
			"metadata%5Bteam%5D=platform":                     {text},
			"metadata[missing]=":                              {},
			"metadata[team]=platform%27%20OR%20%271%27=%271":  {},
			"metadata[team]=plat%25":                          {},
			"metadata[%27%29%20OR%201%3D1%20--%20]=1":         {},
			"metadata[team]=%ff":                              {},
			"metadata[%00]=%00":                               {},
			"limit=1000&metadata[team]=platform&metadatas=no": {text},
		} {
			if got := a.list("/agents", filter).ids(); !slices.Equal(got, want) {
				a.t.Errorf("%s: %v, want %v", filter, got, want)
			}
		}
		if got := a.pages("/agents", 1, "&metadata[tier]=2", nil); !slices.Equal(got, []string{number, text}) {
			a.t.Errorf("page by page: %v", got)
		}
		for _, filter := range []string{"metadata=x", "metadata[a=x", "metadata[a][b]=x", "metadata[a[b]]=x", "metadata[a]=1&metadata[a][b]=2"} {
			a.get("/agents?"+filter).problem("dict_type", `["query","metadata"]`, "Input should be a valid dictionary")
		}
		a.get("/agents?metadata[a]=1&metadata[a]=2").problem("string_type", `["query","metadata","a"]`, "Input should be a valid string")
	})
	a.promise("13.4 sessions by status and agent", func(a *api) {
		agent := a.shell()
		in := func(prompt string) string {
			return a.post("/sessions", `{"agent_id":"`+agent+`","prompt":"`+prompt+`"}`).want(202).text("id")
		}
		completed, failed := in("true"), in("exit 1")
		a.stream(completed).rest()
		a.stream(failed).rest()
		running := in("sleep 1000")
		a.stream(running).until(func(ev event) bool { return ev.Stage == "runtime_start" })
		other, _ := a.run("true")
		for filter, want := range map[string][]string{
			"status=completed":                   {other, completed},
			"status=failed":                      {failed},
			"status=failed&status=running":       {running, failed},
			"status=terminated":                  {},
			"agent_id=" + agent:                  {running, failed, completed},
			"agent_id=" + nobodys:                {},
			"status=completed&agent_id=" + agent: {completed},
		} {
			if got := a.list("/sessions", filter).ids(); !slices.Equal(got, want) {
				a.t.Errorf("%s: %v, want %v", filter, got, want)
			}
		}
		if got := a.pages("/sessions", 1, "&agent_id="+agent, nil); !slices.Equal(got, []string{running, failed, completed}) {
			a.t.Errorf("page by page: %v", got)
		}
		a.get("/sessions?status=done").problem("literal_error", `["query","status",0]`, "Input should be 'pending', 'running', 'completed', 'failed' or 'terminated'")
		a.get("/sessions?status=").problem("literal_error", `["query","status",0]`, "Input should be 'pending', 'running', 'completed', 'failed' or 'terminated'")
		const uuid = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
		a.get("/sessions?agent_id=x").problem("string_pattern_mismatch", `["query","agent_id"]`, "String should match pattern '"+uuid+"'")
		if b := a.anotherUser().list("/sessions", "agent_id="+agent); len(b.Data) != 0 {
			a.t.Errorf("somebody else sees %v", b.ids())
		}
	})
	a.promise("13.4 every wrong parameter is told, in the order of the document", func(a *api) {
		var body struct{ Detail []struct{ Loc []any } }
		a.get("/sessions?cursor=a&cursor=b&limit=x&agent_id=y&status=running&status=z").want(422).into(&body)
		want := "[{[query status 1]} {[query agent_id]} {[query limit]} {[query cursor]}]"
		if got := fmt.Sprint(body.Detail); got != want {
			a.t.Errorf("got %s, want %s", got, want)
		}
	})
}
