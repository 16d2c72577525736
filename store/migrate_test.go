package store

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// oldDatabase makes a database of an older schema version and runs a script in it.
func oldDatabase(t *testing.T, version int, script string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "aod.db")
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	for i, file := range files[:version] {
		text, err := migrations.ReadFile("migrations/" + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(string(text)); err != nil {
			t.Fatal(i, err)
		}
	}
	_, err = db.Exec(script)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// MCP servers that an older version has stored in the clear are sealed, and nothing
// of them is left in the file.
func TestServersOfOlderVersionsAreSealed(t *testing.T) {
	t.Parallel()
	const servers = `[{"name":"n","type":"url","url":"u","headers":{"Authorization":"hush-hush"}}]`
	path := oldDatabase(t, 2, `
		PRAGMA user_version = 2;
		INSERT INTO users (id, name, created_at) VALUES ('u', 'u', 1);
		INSERT INTO agents (id, user_id, name, description, system, model, runtime, skills, mcp_servers, metadata, version, created_at, updated_at)
			VALUES ('a', 'u', 'a', '', '', 'local/bash', 'shell', '[]', '[]', '{}', 2, 1, 2), ('b', 'u', 'b', '', '', 'local/bash', 'shell', '[]', '`+servers+`', '{}', 1, 1, 1);
		INSERT INTO agent_versions (agent_id, version, name, description, system, model, runtime, skills, mcp_servers, metadata, created_at)
			VALUES ('a', 1, 'a', '', '', 'local/bash', 'shell', '[]', '`+servers+`', '{}', 1), ('a', 2, 'a', '', '', 'local/bash', 'shell', '[]', '[]', '{}', 2),
			('b', 1, 'b', '', '', 'local/bash', 'shell', '[]', '`+servers+`', '{}', 1);
		INSERT INTO environments (id, user_id, name, packages, setup_script, networking, version, created_at, updated_at)
			VALUES ('e', 'u', 'e', '{}', 'two', '{}', 2, 1, 2);
		INSERT INTO environment_versions (environment_id, version, name, packages, setup_script, networking, created_at)
			VALUES ('e', 1, 'e', '{}', 'one', '{}', 1), ('e', 2, 'e', '{}', 'two', '{}', 2);`)
	s := reopen(t, path)
	list, err := s.Agents(t.Context(), "u", nil, Page{})
	if err != nil || len(list.Rows) != 2 || len(list.Rows[1].MCPServers) != 0 || string(list.Rows[0].MCPServers[0]) != servers[1:len(servers)-1] {
		t.Errorf("%+v %v", list, err)
	}
	versions, err := s.AgentVersions(t.Context(), "u", "a")
	if err != nil || len(versions) != 2 || len(versions[0].MCPServers) != 0 || string(versions[1].MCPServers[0]) != servers[1:len(servers)-1] {
		t.Errorf("%+v %v", versions, err)
	}
	environments, err := s.EnvironmentVersions(t.Context(), "u", "e")
	if err != nil || len(environments) != 2 || environments[0].SetupScript != "two" || environments[1].SetupScript != "one" || environments[1].EnvironmentID != "e" {
		t.Errorf("%+v %v", environments, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err != nil || bytes.Contains(text, []byte("hush-hush")) {
			t.Errorf("%s still has it: %v", file, err)
		}
	}
}
