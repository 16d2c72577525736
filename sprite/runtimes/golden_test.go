package runtimes

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden folders")

// Each folder testdata/<runtime>/<case> has a turn in agent.json and what the
// runtime makes of it in the other files. Lists are in JSON, an entry a line.
func TestRuntimesDoWhatTheGoldenFoldersShow(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/*/*/agent.json")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no golden folders: %v", err)
	}
	for _, path := range cases {
		dir := filepath.Dir(path)
		name, _ := strings.CutPrefix(filepath.ToSlash(dir), "testdata/")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := made(t, filepath.Base(filepath.Dir(dir)), path)
			if *update {
				rewrite(t, dir, got)
			}
			want := golden(t, dir)
			for file := range maps.Keys(merged(got, want)) {
				if !bytes.Equal(got[file], want[file]) {
					t.Errorf("%s\n got: %s\nwant: %s", file, got[file], want[file])
				}
			}
		})
	}
}

// made is everything that the runtime makes of the turn, by file.
func made(t *testing.T, runtime, path string) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var turn Turn
	if err := json.Unmarshal(text, &turn); err != nil {
		t.Fatal(err)
	}
	r, ok := ByName(runtime)
	if !ok {
		t.Fatalf("no runtime %s", runtime)
	}
	config, err := r.Config(turn.Agent)
	if err != nil {
		t.Fatal(err)
	}
	skills, commands, err := r.Skills(turn.Agent)
	if err != nil {
		t.Fatal(err)
	}
	command := r.Command(turn)
	files := map[string][]byte{
		"argv":  lines(t, command.Argv),
		"env":   lines(t, command.Env),
		"stdin": command.Stdin,
	}
	if len(commands) > 0 {
		files["commands"] = lines(t, commands)
	}
	for _, f := range slices.Concat(config, skills) {
		files["files"+f.Path] = f.Data
		files["modes"] = fmt.Appendf(files["modes"], "%#o %s\n", f.Mode, f.Path)
	}
	return files
}

func lines[T any](t *testing.T, entries []T) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, entry := range entries {
		if err := e.Encode(entry); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func golden(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path == "agent.json" {
			return err
		}
		files[path], err = os.ReadFile(filepath.Join(dir, path))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func rewrite(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	for old := range golden(t, dir) {
		if err := os.Remove(filepath.Join(dir, old)); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func merged(a, b map[string][]byte) map[string][]byte {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}
