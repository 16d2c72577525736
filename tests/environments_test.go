package tests

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

func TestCreateEnvironment(t *testing.T) {
	t.Parallel()
	a := start(t)
	create := func(a *api, fields string) reply { return a.post("/environments", "{"+fields+"}") }
	a.promise("6.1 name has at most 200 characters and is required", func(a *api) {
		create(a, `"name":"`+strings.Repeat("é", 200)+`"`).want(201)
		create(a, `"name":"`+strings.Repeat("é", 201)+`"`).problem("string_too_long", `["name"]`, "String should have at most 200 characters")
		create(a, ``).problem("missing", `["name"]`, "Field required")
		create(a, `"name":null`).problem("string_type", `["name"]`, "Input should be a valid string")
		create(a, `"name":""`).want(201)
	})
	a.promise("6.1 name is unique among the caller's environments that are not archived", func(a *api) {
		for name, shown := range map[string]string{"e": "'e'", "it's": `"it's"`, `it's "it"`: `'it\'s "it"'`, "a\\b\n": `'a\\b\n'`, "é": "'é'"} {
			id := a.environment(name, "")
			create(a, `"name":`+quoted(name)).detail(409, "An active environment named "+shown+" already exists")
			a.anotherUser().environment(name, "")
			a.post("/environments/"+id+"/archive", "").want(200)
			create(a, `"name":`+quoted(name)).want(201)
		}
	})
	a.promise("6.1 packages are lists of strings by manager", func(a *api) {
		const all = `{"apt":["jq"],"cargo":[],"gem":["x","x"],"go":["a@latest"],"npm":[""],"pip":["y==1"]}`
		if got := create(a, `"name":"packages","packages":`+all).want(201).field("packages"); !jsonEqual(a.t, got, all) {
			a.t.Errorf("got %s", got)
		}
		create(a, `"name":"x","packages":{"yum":[],"brew":[]}`).problem("value_error", `["packages"]`, "Value error, Unknown package manager: brew. Must be one of: ['apt', 'cargo', 'gem', 'go', 'npm', 'pip']")
		create(a, `"name":"x","packages":{"pip":["a",1]}`).problem("string_type", `["packages","pip",1]`, "Input should be a valid string")
		create(a, `"name":"x","packages":{"pip":"a"}`).problem("list_type", `["packages","pip"]`, "Input should be a valid list")
		create(a, `"name":"x","packages":[]`).problem("dict_type", `["packages"]`, "Input should be a valid dictionary")
	})
	a.promise("6.1 env_vars are strings by name", func(a *api) {
		create(a, `"name":"variables","env_vars":{"A":"","_b1":"\u0001x"}`).want(201)
		for _, name := range []string{"", "1A", "A-B", "A B", "Ä", "A\n", "A="} {
			create(a, `"name":"x","env_vars":{`+quoted(name)+`:"v"}`).problem("value_error", `["env_vars"]`, "Value error, Invalid env_var key '"+name+"': must match [A-Za-z_][A-Za-z0-9_]*")
		}
		create(a, `"name":"x","env_vars":{"A":1}`).problem("string_type", `["env_vars","A"]`, "Input should be a valid string")
		create(a, `"name":"x","env_vars":{"A":null}`).problem("string_type", `["env_vars","A"]`, "Input should be a valid string")
		create(a, `"name":"x","env_vars":"A=1"`).problem("dict_type", `["env_vars"]`, "Input should be a valid dictionary")
	})
	a.promise("6.1 no field may be null", func(a *api) {
		for field, want := range map[string]string{"packages": "dict", "env_vars": "dict", "networking": "dict", "setup_script": "string"} {
			create(a, `"name":"x","`+field+`":null`).problem(want+"_type", `["`+field+`"]`, "Input should be a valid "+map[string]string{"dict": "dictionary", "string": "string"}[want])
		}
	})
	a.promise("6.2 type is unrestricted or limited", func(a *api) {
		for _, kind := range []string{`"none"`, `"Limited"`, "null", "1", `["limited"]`} {
			create(a, `"name":"x","networking":{"type":`+kind+`}`).problem("value_error", `["networking"]`, "Value error, networking.type must be 'unrestricted' or 'limited'")
		}
	})
	a.promise("6.2 the hosts of a limited network are a list of strings, which may be empty or missing", func(a *api) {
		for i, good := range []string{`{"type":"limited"}`, `{"type":"limited","allowed_hosts":[]}`, `{"type":"limited","allowed_hosts":["h","h"]}`} {
			if got := create(a, fmt.Sprintf(`"name":"limited %d","networking":%s`, i, good)).want(201).field("networking"); !jsonEqual(a.t, got, good) {
				a.t.Errorf("%s is %s", good, got)
			}
		}
		for _, bad := range []string{`"h"`, "null", "{}", "[1]"} {
			create(a, `"name":"x","networking":{"type":"limited","allowed_hosts":`+bad+`}`).problem("value_error", `["networking"]`, "Value error, networking.allowed_hosts must be a list")
		}
	})
	a.promise("6.2 a limited network is shown with all its keys, an unrestricted one with its type alone", func(a *api) {
		create(a, `"name":"keys","networking":{"type":"limited","allowed_hosts":["h"],"allow_package_managers":true}`).want(201).has("networking", `{"allow_package_managers":true,"allowed_hosts":["h"],"type":"limited"}`)
		for i, open := range []string{`{}`, `{"type":"unrestricted"}`, `{"allowed_hosts":["h"]}`, `{"type":"unrestricted","allowed_hosts":null,"x":1}`} {
			create(a, fmt.Sprintf(`"name":"open %d","networking":%s`, i, open)).want(201).has("networking", `{"type":"unrestricted"}`)
		}
	})
	a.promise("6.2 a key in other letters does not open the network", func(a *api) {
		if got := create(a, `"name":"tricky","networking":{"type":"limited","TYPE":5,"Type":"unrestricted"}`).want(201); !strings.Contains(got.field("networking"), `"type":"limited"`) {
			a.t.Errorf("got %s", got.body)
		}
	})
}

func TestEnvironmentObject(t *testing.T) {
	t.Parallel()
	a := start(t)
	env := a.post("/environments", `{"name":"e","packages":{"pip":["x"]},"env_vars":{"A":"hush"},"setup_script":""}`).want(201)
	id := env.text("id")
	const fields = `{"id":"[0-9a-f-]{36}","type":"environment","name":"e","packages":{"pip":\["x"\]},"setup_script":null,"networking":{"type":"unrestricted"},"version":1,"created_at":` + stamp
	a.promise("6.3 an environment has these keys in this order", func(a *api) {
		env.fits(fields + `,"updated_at":` + stamp + `,"archived_at":null}`)
	})
	a.promise("6.3 it is the same in the list and by its id", func(a *api) {
		a.get("/environments").fits(`{"data":\[` + regexp.QuoteMeta(strings.TrimSpace(env.body)) + `\]}`)
		if got := a.get("/environments/" + id); got.body != env.body {
			a.t.Errorf("got %s", got.body)
		}
	})
	a.promise("6.3 a version has neither updated_at nor archived_at", func(a *api) {
		a.get("/environments/" + id + "/versions").want(200).fits(`{"data":\[` + fields + `}\]}`)
	})
	a.promise("6.3 env_vars are never returned", func(a *api) {
		changed := a.put("/environments/"+id, `{"version":1,"env_vars":{"B":"hush"}}`).want(200)
		for _, got := range []reply{env, changed, a.get("/environments"), a.get("/environments/" + id), a.get("/environments/" + id + "/versions"), a.post("/environments/"+id+"/archive", "")} {
			if strings.Contains(got.body, "env_vars") || strings.Contains(got.body, "hush") {
				a.t.Errorf("got %s", got.body)
			}
		}
	})
	a.promise("1 somebody else's environment is a missing one", func(a *api) {
		b, path := a.anotherUser(), "/environments/"+a.environment("mine", "")
		for _, got := range []reply{
			b.get(path), b.put(path, `{"version":1,"name":"stolen"}`), b.post(path+"/archive", ""), b.get(path + "/versions"), b.delete(path + "/delete"),
			b.post("/sessions", `{"agent_id":"`+b.agent("")+`","prompt":"x","environment_id":"`+strings.TrimPrefix(path, "/environments/")+`"}`),
		} {
			got.detail(404, "Environment not found")
		}
	})
}

func TestUpdateEnvironment(t *testing.T) {
	t.Parallel()
	a := start(t)
	n := 0
	// fresh makes an environment of a new name, and returns it and what updates it.
	fresh := func(a *api) (reply, func(version int, fields string) reply) {
		n++
		env := a.post("/environments", fmt.Sprintf(`{"name":"env %d","packages":{"pip":["a"]},"env_vars":{"A":"1","B":"2"},"setup_script":"true","networking":{"type":"limited","allowed_hosts":["h"]}}`, n)).want(201)
		return env, func(version int, fields string) reply {
			return a.put("/environments/"+env.text("id"), fmt.Sprintf(`{"version":%d,%s}`, version, fields))
		}
	}
	a.promise("6.4 null and absent leave every field", func(a *api) {
		env, put := fresh(a)
		if got := put(1, `"name":null,"packages":null,"env_vars":null,"setup_script":null,"networking":null`).want(200); got.body != env.body {
			a.t.Errorf("got %s", got.body)
		}
	})
	a.promise("6.4 a value replaces wholly", func(a *api) {
		_, put := fresh(a)
		for i, c := range [][3]string{
			{"name", `"other"`, `"other"`}, {"packages", `{"apt":["b"]}`, `{"apt":["b"]}`}, {"packages", `{}`, `{}`}, {"setup_script", `"false"`, `"false"`}, {"setup_script", `""`, "null"},
			{"networking", `{"type":"limited"}`, `{"type":"limited"}`}, {"networking", `{}`, `{"type":"unrestricted"}`},
		} {
			got := put(i+1, `"`+c[0]+`":`+c[1]).want(200)
			got.has(c[0], c[2])
			got.has("version", fmt.Sprint(i+2))
		}
	})
	a.promise("6.4 variables are replaced wholly, which makes a version although nobody sees it", func(a *api) {
		env, put := fresh(a)
		put(1, `"networking":{},"packages":{}`).want(200) // one that can be run here
		put(2, `"env_vars":{"B":"3","C":"4"}`).want(200).has("version", "3")
		put(3, `"env_vars":{"C":"4","B":"3"}`).want(200).has("version", "3")
		id := a.post("/sessions", `{"agent_id":"`+a.agent("")+`","prompt":"echo [$A$B$C]","environment_id":"`+env.text("id")+`"}`).want(202).text("id")
		all := a.stream(id).rest()
		if got := output(all, "stdout", 1); got != "[34]\n" {
			a.t.Errorf("got %q %s", got, output(all, "stderr", 1))
		}
		put(3, `"env_vars":{}`).want(200).has("version", "4")
		put(4, `"env_vars":{}`).want(200).has("version", "4")
	})
	a.promise("6.4 an unrestricted network that stays so is no change", func(a *api) {
		env := a.post("/environments", `{"name":"open"}`).want(201)
		if got := a.put("/environments/"+env.text("id"), `{"version":1,"networking":{"type":"unrestricted"}}`).want(200); got.body != env.body {
			a.t.Errorf("got %s", got.body)
		}
	})
	a.promise("6.4 the rules of create hold", func(a *api) {
		_, put := fresh(a)
		put(1, `"name":"`+strings.Repeat("n", 201)+`"`).problem("string_too_long", `["name"]`, "String should have at most 200 characters")
		put(1, `"packages":{"brew":[]}`).problem("value_error", `["packages"]`, "Value error, Unknown package manager: brew. Must be one of: ['apt', 'cargo', 'gem', 'go', 'npm', 'pip']")
		put(1, `"env_vars":{"1":"x"}`).problem("value_error", `["env_vars"]`, "Value error, Invalid env_var key '1': must match [A-Za-z_][A-Za-z0-9_]*")
		put(1, `"networking":{"type":"none"}`).problem("value_error", `["networking"]`, "Value error, networking.type must be 'unrestricted' or 'limited'")
		put(1, `"networking":{"type":"limited","allowed_hosts":"h"}`).problem("value_error", `["networking"]`, "Value error, networking.allowed_hosts must be a list")
		put(1, `"networking":[]`).problem("dict_type", `["networking"]`, "Input should be a valid dictionary")
	})
	a.promise("6.4 checks come in order: fields, environment, archived, version, name", func(a *api) {
		taken, _ := fresh(a)
		name := `"name":` + taken.field("name")
		a.put("/environments/"+nobodys, `{"name":1}`).want(422)
		a.put("/environments/"+nobodys, `{"version":7,`+name+`}`).detail(404, "Environment not found")
		env, put := fresh(a)
		put(7, name).detail(409, "Version mismatch: expected 1, got 7")
		put(1, name+`,"setup_script":"changed"`).detail(409, "An active environment named '"+taken.text("name")+"' already exists")
		if got := a.get("/environments/" + env.text("id")); got.body != env.body {
			a.t.Errorf("it has changed: %s", got.body)
		}
		a.post("/environments/"+env.text("id")+"/archive", "").want(200)
		put(7, name).detail(409, "Cannot update an archived environment")
	})
	a.promise("6.4 the name of an archived one is free", func(a *api) {
		archived, _ := fresh(a)
		a.post("/environments/"+archived.text("id")+"/archive", "").want(200)
		_, put := fresh(a)
		put(1, `"name":`+archived.field("name")).want(200).has("version", "2")
	})
	a.promise("6.4 of 16 concurrent updates of one version one wins", func(a *api) {
		env, _ := fresh(a)
		path := "/environments/" + env.text("id")
		a.oneWinner(16, func(i int) reply { return a.put(path, fmt.Sprintf(`{"version":1,"setup_script":"echo %d"}`, i)) }, "Version mismatch: expected 2, got 1")
	})
	a.promise("6.4 of 8 concurrent renames to one name one wins", func(a *api) {
		ids := make([]string, 8)
		for i := range ids {
			env, _ := fresh(a)
			ids[i] = env.text("id")
		}
		a.oneWinner(8, func(i int) reply { return a.put("/environments/"+ids[i], `{"version":1,"name":"wanted"}`) }, "An active environment named 'wanted' already exists")
	})
}

func TestArchiveAndDeleteEnvironment(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.promise("6.5 archiving hides it and frees its name, and a second time is a 409", func(a *api) {
		id := a.environment("e", "")
		archived := a.post("/environments/"+id+"/archive", "").want(200)
		archived.has("version", "1")
		if archived.field("archived_at") == "null" || len(a.get("/environments").data()) != 0 {
			a.t.Errorf("got %s", archived.body)
		}
		if got := a.get("/environments/" + id).want(200); got.body != archived.body {
			a.t.Errorf("got %s", got.body)
		}
		a.post("/environments/"+id+"/archive", "").detail(409, "Environment is already archived")
		a.post("/environments/"+nobodys+"/archive", "").detail(404, "Environment not found")
	})
	a.promise("6.5 delete removes it with its versions, archived or not", func(a *api) {
		for _, archive := range []bool{false, true} {
			id := a.environment("d", "")
			if archive {
				a.post("/environments/"+id+"/archive", "").want(200)
			}
			a.delete("/environments/"+id+"/delete").detail(200, "Environment deleted")
			a.get("/environments/"+id).detail(404, "Environment not found")
			a.get("/environments/"+id+"/versions").detail(404, "Environment not found")
			a.delete("/environments/"+id+"/delete").detail(404, "Environment not found")
		}
	})
	a.promise("6.5 sessions of any status keep it, deleted ones do not", func(a *api) {
		id := a.environment("used", "")
		session := a.post("/sessions", `{"agent_id":"`+a.agent("")+`","prompt":"true","environment_id":"`+id+`"}`).want(202).text("id")
		for _, end := range []func(){func() { a.stream(session).rest() }, func() { a.post("/sessions/"+session+"/terminate", "").want(200) }} {
			a.delete("/environments/"+id+"/delete").detail(409, "Cannot delete environment with existing sessions")
			end()
		}
		a.delete("/environments/"+id+"/delete").detail(409, "Cannot delete environment with existing sessions")
		a.delete("/sessions/" + session + "/delete").want(200)
		a.delete("/environments/" + id + "/delete").want(200)
	})
	a.promise("6.5 agents and their versions that had it have none, without a new version", func(a *api) {
		id := a.environment("detached", "")
		agent := a.agent(`,"environment_id":"` + id + `"`)
		a.delete("/environments/" + id + "/delete").want(200)
		got := a.get("/agents/" + agent)
		got.has("environment_id", "null")
		got.has("version", "1")
		var version struct {
			EnvironmentID *string `json:"environment_id"`
		}
		if err := json.Unmarshal(a.get("/agents/" + agent + "/versions").data()[0], &version); err != nil || version.EnvironmentID != nil {
			a.t.Errorf("%+v %v", version, err)
		}
	})
	a.promise("6.5 a concurrent session and delete leave no session without its environment", func(a *api) {
		agent := a.agent("")
		for i := range 10 {
			id := a.environment(fmt.Sprint("race ", i), "")
			done := make(chan int)
			go func() { done <- a.delete("/environments/" + id + "/delete").status }()
			created := a.post("/sessions", `{"agent_id":"`+agent+`","prompt":"true","environment_id":"`+id+`"}`)
			deleted := <-done
			if (created.status == 202) == (deleted == 200) {
				a.t.Errorf("created %d deleted %d", created.status, deleted)
			}
			if created.status == 202 {
				a.post("/sessions/"+created.text("id")+"/terminate", "").want(200)
			}
		}
	})
}
