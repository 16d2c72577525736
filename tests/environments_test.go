package tests

import (
	"regexp"
	"strings"
	"testing"
)

func TestEnvironmentIsAnsweredAsInTheContract(t *testing.T) {
	t.Parallel()
	a := start(t)
	got := a.post("/environments", `{"name":"e","packages":{"pip":["x"],"apt":[]},"env_vars":{"A":"hush"},"networking":{"type":"limited","allowed_hosts":["h"],"allow_package_managers":true}}`).want(201)
	want := `\A{"id":"[0-9a-f-]{36}","type":"environment","name":"e","packages":{"apt":\[\],"pip":\["x"\]},"setup_script":null,` +
		`"networking":{"allow_package_managers":true,"allowed_hosts":\["h"\],"type":"limited"},"version":1,"created_at":` + stamp + `,"updated_at":` + stamp + `,"archived_at":null}\n\z`
	if !regexp.MustCompile(want).MatchString(got.body) {
		t.Errorf("got %s", got.body)
	}
	if tricky := a.post("/environments", `{"name":"tricky","networking":{"type":"limited","TYPE":5,"Type":"unrestricted"}}`).want(201); !strings.Contains(tricky.field("networking"), `"type":"limited"`) {
		t.Errorf("a key in other letters opens the network: %s", tricky.body)
	}
	plain := a.post("/environments", `{"name":"plain"}`).want(201)
	if plain.field("networking") != `{"type":"unrestricted"}` || plain.field("packages") != "{}" {
		t.Errorf("plain: %s", plain.body)
	}
	a.post("/environments", `{"name":"e"}`).detail(409, "An active environment named 'e' already exists")
	a.put("/environments/"+plain.text("id"), `{"version":1,"name":"e"}`).detail(409, "An active environment named 'e' already exists")
	if same := a.put("/environments/"+plain.text("id"), `{"version":1,"networking":{"type":"unrestricted"},"env_vars":null}`).want(200); same.field("version") != "1" {
		t.Errorf("a change of nothing: %s", same.body)
	}
	a.post("/environments/"+got.text("id")+"/archive", "").want(200)
	a.post("/environments/"+got.text("id")+"/archive", "").detail(409, "Environment is already archived")
	a.put("/environments/"+plain.text("id"), `{"version":1,"name":"e"}`).want(200)
	a.post("/agents", `{"name":"x","runtime":"shell","environment_id":"`+got.text("id")+`"}`).detail(409, "Cannot assign an archived environment to an agent")
	a.delete("/environments/"+got.text("id")+"/delete").detail(200, "Environment deleted")
	a.get("/environments/"+got.text("id")).detail(404, "Environment not found")
}

func TestEnvironmentRulesHaveTheirTexts(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, c := range [][3]string{
		{`"packages":{"brew":[]}`, `["packages"]`, "Unknown package manager: brew. Must be one of: ['apt', 'cargo', 'gem', 'go', 'npm', 'pip']"},
		{`"env_vars":{"A-B":"x"}`, `["env_vars"]`, "Invalid env_var key 'A-B': must match [A-Za-z_][A-Za-z0-9_]*"},
		{`"networking":{"type":"none"}`, `["networking"]`, "networking.type must be 'unrestricted' or 'limited'"},
		{`"networking":{"type":"limited","allowed_hosts":"h"}`, `["networking"]`, "networking.allowed_hosts must be a list"},
	} {
		a.post("/environments", `{"name":"e",`+c[0]+`}`).problem("value_error", c[1], "Value error, "+c[2])
	}
	a.post("/environments", `{"name":"e","packages":{"pip":[1]}}`).problem("string_type", `["packages","pip",0]`, "Input should be a valid string")
	a.post("/environments", `{"name":"e","env_vars":{"A":1}}`).problem("string_type", `["env_vars","A"]`, "Input should be a valid string")
	a.post("/environments", `{"name":"e","networking":null}`).problem("dict_type", `["networking"]`, "Input should be a valid dictionary")
	a.put("/environments/"+nobodys, `{"version":1,"networking":[]}`).problem("dict_type", `["networking"]`, "Input should be a valid dictionary")
	a.post("/environments", `{"name":"e","setup_script":null}`).problem("string_type", `["setup_script"]`, "Input should be a valid string")
}
