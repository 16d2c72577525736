package server

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/agent-on-demand/aod/sprite/runtimes"
)

var packageManagers = []string{"apt", "cargo", "gem", "go", "npm", "pip"}

func packages(value any) error {
	for _, manager := range slices.Sorted(maps.Keys(value.(map[string]any))) {
		if !slices.Contains(packageManagers, manager) {
			return fmt.Errorf("Unknown package manager: %s. Must be one of: %s", manager, runtimes.Quoted(packageManagers))
		}
	}
	return nil
}

var variableName = regexp.MustCompile(`\A[A-Za-z_][A-Za-z0-9_]*\z`)

func variables(value any) error {
	for _, name := range slices.Sorted(maps.Keys(value.(map[string]any))) {
		if !variableName.MatchString(name) {
			return fmt.Errorf("Invalid env_var key '%s': must match [A-Za-z_][A-Za-z0-9_]*", name)
		}
	}
	return nil
}

func networking(value any) error {
	policy := value.(map[string]any)
	kind, given := policy["type"]
	switch {
	case !given || kind == "unrestricted":
		return nil
	case kind != "limited":
		return fmt.Errorf("networking.type must be 'unrestricted' or 'limited'")
	}
	if hosts, given := policy["allowed_hosts"]; given && !stringList(hosts) {
		return fmt.Errorf("networking.allowed_hosts must be a list")
	}
	return nil
}
