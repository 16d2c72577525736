package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	promised = regexp.MustCompile(`promise\((?:fmt\.Sprint\()?"((?:\d+(?:\.\d+)? )+)`)
	listed   = regexp.MustCompile(`(?m)^\| (\d+(?:\.\d+)?) \|.*\| ([^|]+) \|$`)
)

// README.md says where the statements of each section are tested, and nothing else.
func TestSectionsAreWhereTheReadmeSaysTheyAre(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string][]string{} // section: files of this folder that have promises
	for _, row := range listed.FindAllStringSubmatch(string(text), -1) {
		for _, file := range strings.Split(row[2], ", ") {
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %v", row[1], err)
			}
			said[row[1]] = append(said[row[1]], file)
		}
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, promise := range promised.FindAllStringSubmatch(string(source), -1) {
			for _, section := range strings.Fields(promise[1]) {
				if !slices.Contains(found[section], file) {
					found[section] = append(found[section], file)
				}
			}
		}
	}
	for section, files := range found {
		for _, file := range files {
			if !slices.Contains(said[section], file) {
				t.Errorf("README.md does not say that %s tests section %s", file, section)
			}
		}
	}
	for section, files := range said {
		for _, file := range files {
			elsewhere := strings.HasPrefix(file, "../") || slices.Contains([]string{"claude_test.go", "vendors_test.go", "document_test.go"}, file)
			if !elsewhere && !slices.Contains(found[section], file) {
				t.Errorf("README.md says that %s tests section %s", file, section)
			}
		}
	}
}
