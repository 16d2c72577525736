package tests

import (
	"fmt"
	"strings"
	"testing"

	"github.com/agent-on-demand/aod/server"
)

// in starts a session of an agent with further fields and returns the answer.
func (a *api) in(agent, prompt, fields string) reply {
	a.t.Helper()
	return a.post("/sessions", `{"agent_id":"`+agent+`","prompt":`+quoted(prompt)+fields+`}`)
}

func TestCreateSession(t *testing.T) {
	t.Parallel()
	a := start(t)
	agent := a.shell()
	a.promise("7.1 the ack has these keys in this order", func(a *api) {
		env := a.environment("e", "")
		a.in(agent, "true", `,"environment_id":"`+env+`"`).want(202).fits(`{"id":"([0-9a-f-]{36})","status":"pending","stream_url":"/sessions/[0-9a-f-]{36}/stream","environment_id":"` + env + `","resources":\[\],"current_turn":1}`)
		ack := a.in(agent, "true", "").want(202)
		ack.has("environment_id", "null")
		ack.has("stream_url", quoted("/sessions/"+ack.text("id")+"/stream"))
	})
	a.promise("7.1 agent_id and prompt are required texts, and prompt may be empty", func(a *api) {
		if got := a.post("/sessions", `{}`).problems(); got != "missing [\"agent_id\"] Field required\nmissing [\"prompt\"] Field required\n" {
			a.t.Errorf("got %s", got)
		}
		if got := a.post("/sessions", `{"agent_id":null,"prompt":null}`).problems(); got != "string_type [\"agent_id\"] Input should be a valid string\nstring_type [\"prompt\"] Input should be a valid string\n" {
			a.t.Errorf("got %s", got)
		}
		id := a.in(agent, "", "").want(202).text("id")
		a.stream(id).rest()
		a.get("/sessions/"+id).has("status", `"completed"`)
	})
	a.promise("7.1 an agent that is not the caller's is a 404", func(a *api) {
		foreign := a.anotherUser().shell()
		for _, id := range []string{foreign, nobodys, "not-a-uuid", "", strings.ToUpper(agent)} {
			a.in(id, "x", "").detail(404, "Agent not found")
		}
	})
	a.promise("7.1 environment_id overrides the agent's, and null or empty does not", func(a *api) {
		own, other := a.environment("own", ""), a.environment("other", "")
		agent := a.agent(`,"environment_id":"` + own + `"`)
		for field, want := range map[string]string{"": own, `,"environment_id":null`: own, `,"environment_id":""`: own, `,"environment_id":"` + other + `"`: other} {
			ack := a.in(agent, "true", field).want(202)
			ack.has("environment_id", quoted(want))
			a.get("/sessions/"+ack.text("id")).has("environment_id", quoted(want))
		}
	})
	a.promise("7.1 an environment that is not there or archived is refused, an inherited one too", func(a *api) {
		for _, id := range []string{a.anotherUser().environment("foreign", ""), nobodys, "not-a-uuid"} {
			a.in(agent, "x", `,"environment_id":"`+id+`"`).detail(404, "Environment not found")
		}
		env := a.environment("archived", "")
		inherits := a.agent(`,"environment_id":"` + env + `"`)
		a.post("/environments/"+env+"/archive", "").want(200)
		a.in(agent, "x", `,"environment_id":"`+env+`"`).detail(409, "Cannot create session with archived environment")
		a.in(inherits, "x", "").detail(409, "Cannot create session with archived environment")
	})
	a.promise("7.1 secret_env_vars follow the rule of env_vars", func(a *api) {
		a.in(agent, "x", `,"secret_env_vars":{"A-B":"x"}`).problem("value_error", `["secret_env_vars"]`, "Value error, Invalid env_var key 'A-B': must match [A-Za-z_][A-Za-z0-9_]*")
		a.in(agent, "x", `,"secret_env_vars":{"A":1}`).problem("string_type", `["secret_env_vars","A"]`, "Input should be a valid string")
		a.in(agent, "x", `,"secret_env_vars":null`).problem("dict_type", `["secret_env_vars"]`, "Input should be a valid dictionary")
	})
	a.promise("7.1 timeout is 10 to 3600 seconds", func(a *api) {
		a.in(agent, "x", `,"timeout":9`).problem("greater_than_equal", `["timeout"]`, "Input should be greater than or equal to 10")
		a.in(agent, "x", `,"timeout":3601`).problem("less_than_equal", `["timeout"]`, "Input should be less than or equal to 3600")
		a.in(agent, "x", `,"timeout":null`).problem("int_type", `["timeout"]`, "Input should be a valid integer")
	})
	a.promise("7.1 checks come in order: JSON, fields, agent, environment, quota", func(a *api) {
		env := a.environment("order", "")
		archived := a.agent("")
		a.post("/agents/"+archived+"/archive", "").want(200)
		a.post("/environments/"+env+"/archive", "").want(200)
		const unknown = `,"environment_id":"` + nobodys + `"`
		a.post("/sessions", `{"agent_id":"x","prompt":1`).detail(400, "Invalid JSON")
		a.post("/sessions", `{"agent_id":"x","prompt":1}`).want(422)
		a.in(nobodys, "x", unknown).detail(404, "Agent not found")
		a.in(archived, "x", unknown).detail(409, "Cannot create session with archived agent")
		a.in(agent, "x", unknown).detail(404, "Environment not found")
		a.in(agent, "x", `,"environment_id":"`+env+`"`).detail(409, "Cannot create session with archived environment")
	})
	a.promise("7.1 a session keeps to the agent and the environment that it was created with", func(a *api) {
		env := a.environment("kept", `,"env_vars":{"WHO":"before"},"setup_script":"sleep 0.3"`)
		id := a.in(agent, "echo $WHO", `,"environment_id":"`+env+`"`).want(202).text("id")
		a.put("/environments/"+env, `{"version":1,"env_vars":{"WHO":"after"}}`).want(200)
		if got := output(a.stream(id).rest(), "stdout", 1); got != "before\n" {
			a.t.Errorf("got %q", got)
		}
	})
}

// The answer does not wait for the Sprite.
func TestCreateAnswersBeforeProvisioning(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.promise("8.1 pending is the whole of provisioning", func(a *api) {
		env := a.environment("slow", `,"setup_script":"sleep 1000"`)
		id := a.in(a.shell(), "true", `,"environment_id":"`+env+`"`).want(202).text("id")
		a.stream(id).until(func(ev event) bool { return ev.Stage == "provision_setup" })
		a.get("/sessions/"+id).has("status", `"pending"`)
	})
}

func TestSessionObject(t *testing.T) {
	t.Parallel()
	a := start(t)
	env := a.environment("e", "")
	agent := a.shell()
	id := a.in(agent, "exit 3", `,"environment_id":"`+env+`"`).want(202).text("id")
	a.stream(id).rest()
	row := a.get("/sessions/" + id).want(200)
	a.promise("7.3 a session has these keys in this order", func(a *api) {
		row.fits(`{"id":"` + id + `","agent_id":"` + agent + `","environment_id":"` + env + `","runtime":"shell","provider":"local","status":"failed","exit_code":3,"created_at":` + stamp + `,"updated_at":` + stamp + `,"resources":\[\],"turn_count":1,"current_turn":1}`)
	})
	a.promise("7.3 it is the same in the list, where all statuses are, newest first", func(a *api) {
		second, _ := a.run("true")
		third := a.session("sleep 1000")
		list := a.get("/sessions").data()
		if len(list) != 3 || string(list[2]) != strings.TrimSpace(row.body) || !strings.Contains(string(list[1]), second) || !strings.Contains(string(list[0]), third) {
			a.t.Errorf("got %s", list)
		}
	})
	a.promise("7.4 a turn has these keys in this order", func(a *api) {
		a.get("/sessions/" + id + "/turns").fits(`{"data":\[{"turn_number":1,"prompt":"exit 3","status":"failed","exit_code":3,"created_at":` + stamp + `,"started_at":` + stamp + `,"ended_at":` + stamp + `}\]}`)
	})
	a.promise("7.4 the prompt is the user's, without the system text", func(a *api) {
		agent := a.agent(`,"system":"be brief"`)
		id := a.in(agent, "echo é", "").want(202).text("id")
		if got := a.get("/sessions/" + id + "/turns").want(200); !strings.Contains(got.body, `"prompt":"echo é"`) {
			a.t.Errorf("got %s", got.body)
		}
	})
	a.promise("1 somebody else's session is a missing one", func(a *api) {
		b, path := a.anotherUser(), "/sessions/"+id
		for _, got := range []reply{
			b.get(path), b.get(path + "/turns"), b.get(path + "/stream"), b.post(path+"/prompt", `{"prompt":"x"}`), b.post(path+"/terminate", ""), b.delete(path + "/delete"),
		} {
			got.detail(404, "Session not found")
		}
		if got := b.get("/sessions").data(); len(got) != 0 {
			a.t.Errorf("it is listed: %s", got)
		}
	})
}

func TestQuota(t *testing.T) {
	t.Parallel()
	a := start(t, func(c *server.Config) { c.MaxSessions = 5 })
	agent := a.shell()
	a.promise("7.5 of 50 concurrent creates against a quota of 5 exactly five succeed", func(a *api) {
		made := 0
		for _, r := range atOnce(50, func(int) reply { return a.in(agent, "sleep 1000", "") }) {
			if r.status == 202 {
				made++
				continue
			}
			const want = `{"detail":"Concurrent session limit reached (5/5). Terminate an active session before starting a new one.","limit":5,"active":5}` + "\n"
			if r.status != 429 || r.body != want {
				a.t.Errorf("got %d %s", r.status, r.body)
			}
		}
		if made != 5 || len(a.get("/sessions").data()) != 5 {
			a.t.Errorf("%d are made, %d are listed", made, len(a.get("/sessions").data()))
		}
	})
	a.promise("7.5 a quota counts one user's pending and running sessions", func(a *api) {
		b := a.anotherUser()
		foreign := b.in(b.shell(), "true", "").want(202).text("id")
		b.post("/sessions/"+foreign+"/terminate", "").want(200)
		first := a.list("/sessions", "").Data[0].ID
		a.post("/sessions/"+first+"/terminate", "").want(200)
		id := a.in(agent, "true", "").want(202).text("id")
		a.stream(id).rest()
		second := a.in(agent, "true", "").want(202).text("id")
		a.stream(second).rest()
	})
	a.promise("7.5 prompts are not limited", func(a *api) {
		session := a.in(agent, "true", "").want(202).text("id")
		a.stream(session).rest()
		blocking := a.in(agent, "sleep 1000", "").want(202).text("id")
		a.in(agent, "true", "").want(429)
		a.post("/sessions/"+session+"/prompt", `{"prompt":"true"}`).want(202)
		a.stream(session).rest()
		a.post("/sessions/"+blocking+"/terminate", "").want(200)
	})
}

func TestResources(t *testing.T) {
	t.Parallel()
	a := start(t)
	agent := a.shell()
	const repository = `{"type":"github_repository","url":"https://github.com/o/r"}`
	create := func(a *api, resources string) reply { return a.in(agent, "x", `,"resources":`+resources) }
	refused := func(a *api, resource, field, msg string) {
		a.t.Helper()
		create(a, "["+repository+","+resource+"]").problem("value_error", `["resources",1,"`+field+`"]`, "Value error, "+msg)
	}
	a.promise("7.2 type is github_repository and required, and so is url", func(a *api) {
		create(a, "["+with(repository, "type", `"git"`)+"]").problem("literal_error", `["resources",0,"type"]`, "Input should be 'github_repository'")
		create(a, "["+without(repository, "type")+"]").problem("missing", `["resources",0,"type"]`, "Field required")
		create(a, "["+without(repository, "url")+"]").problem("missing", `["resources",0,"url"]`, "Field required")
		create(a, "["+with(repository, "url", "1")+"]").problem("string_type", `["resources",0,"url"]`, "Input should be a valid string")
		create(a, "[null]").problem("dict_type", `["resources",0]`, "Input should be a valid dictionary")
		create(a, "null").problem("list_type", `["resources"]`, "Input should be a valid list")
	})
	a.promise("7.2 url is that of a repository on GitHub, whole and in ASCII", func(a *api) {
		for _, u := range []string{
			"http://github.com/o/r", "https://github.com/o", "https://github.com/o/r/", "https://github.com/o/r/s", "https://u@github.com/o/r", "https://github.com:443/o/r", "https://GitHub.com/o/r", "https://gitlab.com/o/r",
			"https://github.com/o/r\n", " https://github.com/o/r", "https://github.com/ö/r", "https://github.com/o/r?x", "git@github.com:o/r", "", "https://github.com/o/..", "https://github.com/o/.git",
		} {
			refused(a, with(repository, "url", quoted(u)), "url", "Must be a valid https://github.com/<owner>/<repo> URL")
		}
	})
	a.promise("7.2 mount_path is absolute and neither the root nor the home", func(a *api) {
		for path, msg := range map[string]string{
			"": "mount_path must be an absolute path", "w": "mount_path must be an absolute path", "/": "mount_path must not be the Sprite root", "//": "mount_path must not be the Sprite root",
			"/home/sprite": "mount_path must not be the Sprite root", "/home/sprite/": "mount_path must not be the Sprite root", "/x/../home//sprite/.": "mount_path must not be the Sprite root", "/x/../y": "mount_path must not contain '..'",
		} {
			refused(a, with(repository, "mount_path", quoted(path)), "mount_path", msg)
		}
		refused500 := with(repository, "mount_path", quoted("/"+strings.Repeat("x", 500)))
		create(a, "["+refused500+"]").problem("string_too_long", `["resources",0,"mount_path"]`, "String should have at most 500 characters")
		create(a, "["+with(repository, "url", quoted("https://github.com/o/"+strings.Repeat("x", 500)))+"]").problem("string_too_long", `["resources",0,"url"]`, "String should have at most 500 characters")
	})
	a.promise("7.2 authorization_token is a text or null", func(a *api) {
		create(a, "["+with(repository, "authorization_token", "1")+"]").problem("string_type", `["resources",0,"authorization_token"]`, "Input should be a valid string")
	})
	a.promise("7.2 at most 10, with different mount paths", func(a *api) {
		numbered := func(i int) string { return with(repository, "mount_path", fmt.Sprintf(`"/w%d"`, i)) }
		create(a, list(11, numbered)).problem("value_error", `["resources"]`, "Value error, Maximum 10 resources per session")
		create(a, "["+repository+","+with(repository, "url", `"https://github.com/other/r.git"`)+"]").problem("value_error", `["resources"]`, "Value error, Duplicate mount_path in resources")
		create(a, "["+repository+","+with(repository, "mount_path", `"/workspace/r"`)+"]").problem("value_error", `["resources"]`, "Value error, Duplicate mount_path in resources")
	})
	a.promise("7.2 resources come back without .git and token, with their mount path", func(a *api) {
		const given = `[{"type":"github_repository","url":"https://github.com/o/r.git","authorization_token":"hush","mount_path":null},{"type":"github_repository","url":"https://github.com/o/r","mount_path":"/w/","authorization_token":""}]`
		const want = `[{"type":"github_repository","url":"https://github.com/o/r","mount_path":"/workspace/r"},{"type":"github_repository","url":"https://github.com/o/r","mount_path":"/w/"}]`
		ack := create(a, given).want(202)
		ack.has("resources", want)
		a.get("/sessions/"+ack.text("id")).has("resources", want)
		a.post("/sessions/"+ack.text("id")+"/terminate", "").want(200)
	})
}
