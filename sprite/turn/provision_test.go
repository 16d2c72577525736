package turn

import (
	"encoding/json"
	"slices"
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
