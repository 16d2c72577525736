package turn

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestNetworkIsLimitedUnlessItSaysOtherwise(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		limited bool
		hosts   []string
	}{
		``:                        {},
		`{"type":"unrestricted"}`: {},
		`{"type":"limited"}`:      {limited: true},
		`{"allowed_hosts":["a","b"],"type":"limited"}`: {true, []string{"a", "b"}},
		`{"type":"limited","TYPE":"unrestricted"}`:     {limited: true},
		`{"TYPE":5,"type":"limited"}`:                  {limited: true},
		`broken`:                                       {limited: true},
	} {
		limited, hosts := networking(json.RawMessage(text))
		if limited != want.limited || !slices.Equal(hosts, want.hosts) {
			t.Errorf("%s: %v %v", text, limited, hosts)
		}
	}
}

func TestFailureQuotesTheLastCharacters(t *testing.T) {
	t.Parallel()
	words := tail{masker: newMasker(newPatterns(nil))}
	for range 1000 {
		if _, err := words.Write([]byte("é𝛼x")); err != nil {
			t.Fatal(err)
		}
	}
	got := []rune(words.String())
	if want := []rune(strings.Repeat("é𝛼x", 1000)); !slices.Equal(got, want[len(want)-stderrShown:]) {
		t.Errorf("%d characters: %q", len(got), string(got[:5]))
	}
}
