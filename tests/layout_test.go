package tests

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/agent-on-demand/aod"

// allowed says which of our packages a package may import.
var allowed = map[string][]string{
	"server/cmd/aod":        {"api", "server", "server/cmd/aod/client", "sprite/runtimes", "store"},
	"server/cmd/aod/client": {"api", "sdk/go", "sdk/go/pretty", "sprite/runtimes"},
	"sdk/go":                {"gen"},
	"sdk/go/pretty":         {},
	"server":                {"api", "gen", "server/explorer", "server/hub", "server/metrics", "server/traces", "sprite", "sprite/local", "sprite/runtimes", "sprite/turn", "store"},
	"server/hub":            {"store"},
	"sprite/turn":           {"sprite/runtimes", "store"},
	"sprite":                {},
	"sprite/runtimes":       {},
	"sprite/local":          {"sprite/local/cgroup", "sprite/local/disk", "sprite/local/egress", "sprite/local/nic", "sprite/local/shim", "sprite/local/tasks"},
	"sprite/local/shim":     {"sprite/local/cgroup", "sprite/local/disk", "sprite/local/nic"},
	"sprite/local/cgroup":   {},
	"sprite/local/disk":     {},
	"sprite/local/egress":   {"sprite/local/nic"},
	"sprite/local/nic":      {},
	"sprite/local/tasks":    {},
	"store":                 {},
	"gen":                   {"api"},
	"api":                   {},
	"tests":                 {},
	"tests/model":           {},
	"tests/sdk":             {"sdk/go"},
	"server/metrics":        {"store"},
	"server/traces":         {},
	"server/explorer":       {},
}

// owners says which packages may import a module that is kept in one place.
var owners = map[string][]string{
	"gorm.io/":                             {"store"},
	"github.com/labstack/echo":             {"gen", "server"},
	"github.com/getkin/kin-openapi":        {"server"},
	"github.com/superfly/sprites-go":       {"sprite"},
	"github.com/gorilla/websocket":         {"sprite", "sprite/local"},
	"github.com/spf13/cobra":               {"server/cmd/aod", "server/cmd/aod/client"},
	"github.com/tmaxmax/go-sse":            {"sdk/go"},
	"github.com/oapi-codegen/runtime":      {"gen"},
	"gvisor.dev/":                          {"sprite/local/egress"},
	"github.com/prometheus/":               {"server/metrics"},
	"net/http/pprof":                       {"server"},
	"go.opentelemetry.io/otel":             {"server", "server/traces", "sprite/turn"},
	"go.opentelemetry.io/otel/exporters":   {"server/traces"},
	"go.opentelemetry.io/otel/propagation": {"server/traces"},
	"go.opentelemetry.io/otel/sdk":         {"server/traces"},
}

// inOneFile says in which files of package server an import may stand.
var inOneFile = map[string][]string{
	"github.com/getkin/kin-openapi/openapi3": {"validate.go", "invalid.go"},
	module + "/sprite":                       {"backend.go"},
	module + "/sprite/local":                 {"backend.go"},
	"net/http/pprof":                         {"admin.go"},
}

func TestImportsGoOneWay(t *testing.T) {
	t.Parallel()
	text, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(strings.NewReader(string(text))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		may, known := allowed[name]
		if !known {
			t.Errorf("package %s is not in the map of this test", name)
		}
		for _, imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, module+"/"); ok && !slices.Contains(may, ours) {
				t.Errorf("%s must not import %s", name, ours)
			}
			for prefix, may := range owners {
				if strings.HasPrefix(imported, prefix) && !slices.Contains(may, name) {
					t.Errorf("%s must not import %s", name, imported)
				}
			}
		}
	}
}

// Every command in a Sprite waits until what package shim imports is initialized, and whatever else of the binary is ready before that.
func TestShimImportsLittle(t *testing.T) {
	t.Parallel()
	text, err := exec.Command("go", "list", "-deps", module+"/sprite/local/shim").Output()
	if err != nil {
		t.Fatal(err)
	}
	for imported := range strings.FieldsSeq(string(text)) {
		if imported == "net/http" || strings.Contains(strings.Split(imported, "/")[0], ".") && !strings.HasPrefix(imported, module+"/sprite/local/") && !strings.HasPrefix(imported, "golang.org/x/") && !strings.HasPrefix(imported, "vendor/") {
			t.Errorf("sprite/local/shim must not need %s", imported)
		}
	}
}

func TestImportsStayInTheirFile(t *testing.T) {
	t.Parallel()
	for imported, files := range inOneFile {
		text, err := exec.Command("git", "grep", "-l", "-F", `"`+imported+`"`, "--", "../server/*.go").Output()
		if err != nil {
			t.Fatal(imported, err)
		}
		for file := range strings.FieldsSeq(string(text)) {
			name := file[strings.LastIndex(file, "/")+1:]
			if !strings.HasSuffix(name, "_test.go") && !slices.Contains(files, name) {
				t.Errorf("%s must not import %s", file, imported)
			}
		}
	}
}
