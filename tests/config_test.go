package tests

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each value is printed with where it comes from, and no secret ever.
func TestConfigSaysWhereEachValueComesFrom(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("a-token-of-the-operator\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"AOD_SPRITE_DISK=1GiB", "AOD_ADDR=127.0.0.1:1", "AOD_BOOTSTRAP_TOKEN_FILE=" + file, "ANTHROPIC_API_KEY=hush-hush"}
	printed, words, err := aod(t, env, "config", "--addr", "127.0.0.1:2", "--data-dir", "/nowhere/aod", "-o", "json")
	if err != nil {
		t.Fatal(words, err)
	}
	var all []struct {
		Name, From string
		Value      *string
		Secret     bool
	}
	if err := json.Unmarshal([]byte(printed), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range all {
		value := "null"
		if s.Value != nil {
			value = *s.Value
		}
		got[s.Name] = s.From + " " + value
	}
	for name, want := range map[string]string{
		"AOD_ADDR":                    "flag 127.0.0.1:2",
		"AOD_DATA_DIR":                "flag /nowhere/aod",
		"AOD_SPRITE_DISK":             "variable 1GiB",
		"AOD_BOOTSTRAP_TOKEN":         "file [redacted]",
		"ANTHROPIC_API_KEY":           "variable [redacted]",
		"OPENAI_API_KEY":              "default null",
		"AOD_SPRITE_IDLE_TTL":         "default 168h",
		"AOD_RUNTIME_CODEX_VERSION":   "default null",
		"AOD_MAX_CONCURRENT_SESSIONS": "default 100",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	table, _, err := aod(t, env, "config")
	if err != nil || !strings.Contains(table, "AOD_ADDR                      variable  127.0.0.1:1\n") {
		t.Errorf("%s %v", table, err)
	}
	for _, secret := range []string{"hush-hush", "a-token-of-the-operator"} {
		if strings.Contains(printed+table+words, secret) {
			t.Errorf("%s is shown", secret)
		}
	}
	if _, err := os.Stat("/nowhere"); err == nil {
		t.Error("it has made the data directory")
	}
}

// What aod serve would refuse, aod config refuses in the same words.
func TestConfigRefusesWhatServeRefuses(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{"AOD_ADRR=x", "AOD_ENCRYPTION_KEY=short", "AOD_ROW_RETENTION=1d", "AOD_SPRITES_TOKEN=short", "SPRITES_BASE_URL=https://user:hush-hush@x.test", "AOD_PUBLIC_URL=:hush-hush:", "AOD_BOOTSTRAP_TOKEN_FILE=/nowhere"} {
		_, served, err := aod(t, []string{setting}, "serve", "--data-dir", t.TempDir())
		if err == nil {
			t.Errorf("%s is served", setting)
		}
		printed, words, err := aod(t, []string{setting}, "config")
		if err == nil || printed != "" || words != served || strings.Contains(words, "hush-hush") {
			t.Errorf("%s: %q %q, serve says %q", setting, printed, words, served)
		}
	}
}

func TestVersionSaysAllAboutTheBuild(t *testing.T) {
	t.Parallel()
	printed, _, err := aod(t, nil, "version", "-o", "json")
	var b struct {
		Version, Go, OS, Arch, Document string
		Schema                          int
		Modified                        *bool
	}
	if err != nil || json.Unmarshal([]byte(printed), &b) != nil || b.Version == "" || b.OS != "linux" || b.Arch == "" || !strings.HasPrefix(b.Go, "go1.") || b.Modified == nil {
		t.Fatalf("%s %v", printed, err)
	}
	migrations, err := filepath.Glob("../store/migrations/*.sql")
	if err != nil || b.Schema != len(migrations) {
		t.Errorf("schema %d of %d, %v", b.Schema, len(migrations), err)
	}
	document, err := os.ReadFile("../api/openapi.yaml")
	if found := regexp.MustCompile(`(?m)^  version: (\S+)$`).FindSubmatch(document); err != nil || found == nil || string(found[1]) != b.Document {
		t.Errorf("document %q, %v", b.Document, err)
	}
	if _, words, err := aod(t, nil, "version", "-o", "yaml"); err == nil || !strings.Contains(words, "it is not one of text, json") {
		t.Errorf("%q %v", words, err)
	}
}

// A supervisor of containers asks the binary itself.
func TestHealthCommand(t *testing.T) {
	t.Parallel()
	a := start(t)
	addr := "AOD_ADDR=" + strings.TrimPrefix(a.url, "http://")
	if printed, words, err := aod(t, []string{addr}, "health"); err != nil || !strings.Contains(printed, `"status":"ok"`) {
		t.Errorf("%q %q %v", printed, words, err)
	}
	a.sql("UPDATE settings SET value = x'00' WHERE name = 'canary'")
	if printed, words, err := aod(t, []string{addr}, "health"); err == nil || !strings.Contains(printed, `"encryption":"failed"`) || !strings.Contains(words, "the server is not well: it answers 503") {
		t.Errorf("%q %q %v", printed, words, err)
	}
	a.stop()
	if _, words, err := aod(t, []string{addr}, "health"); err == nil || !strings.HasPrefix(words, "aod: no server answers at ") {
		t.Errorf("%q %v", words, err)
	}
}
