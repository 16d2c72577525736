package server

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/agent-on-demand/aod/sprite/runtimes"
)

const maxSkills = 20

var skillName = regexp.MustCompile(`\A[a-z0-9][a-z0-9-]{0,63}\z`)

func skills(value any) error {
	entries := value.([]any)
	if len(entries) > maxSkills {
		return fmt.Errorf("Maximum %d skills per agent", maxSkills)
	}
	seen := map[string]bool{}
	for i, entry := range entries {
		at := fmt.Sprintf("skills[%d]", i)
		skill, ok := entry.(map[string]any)
		if !ok {
			return fmt.Errorf("%s must be an object", at)
		}
		shape := inlineSkill
		if _, ok := skill["type"]; ok {
			shape = githubSkill
		}
		if err := shape(at, skill); err != nil {
			return err
		}
		if err := skillCommon(at, skill, seen); err != nil {
			return err
		}
	}
	return nil
}

const (
	maxSkillContent     = 64 << 10 // bytes
	maxSkillDescription = 1024     // characters
	skillEnd            = "SKILL_EOF"
)

func inlineSkill(at string, skill map[string]any) error {
	if err := onlyKeys(at, skill, "inline skills", "content", "description", "name"); err != nil {
		return err
	}
	if err := requireStrings(at, skill, "name", "description", "content"); err != nil {
		return err
	}
	content := skill["content"].(string)
	if len(content) > maxSkillContent {
		return fmt.Errorf("%s.content exceeds %d bytes", at, maxSkillContent)
	}
	if strings.Contains(content, skillEnd) {
		return fmt.Errorf("%s.content must not contain '%s'", at, skillEnd)
	}
	return nil
}

var skillSource = regexp.MustCompile(`\A[A-Za-z0-9._-]+/[A-Za-z0-9._-]+\z`)

func githubSkill(at string, skill map[string]any) error {
	if err := onlyKeys(at, skill, "github skills", "description", "name", "source", "type"); err != nil {
		return err
	}
	if err := requireStrings(at, skill, "type", "description", "source"); err != nil {
		return err
	}
	if name, given := skill["name"]; given {
		if _, ok := name.(string); !ok {
			return fmt.Errorf("%s.name must be a string", at)
		}
	}
	if kind := skill["type"].(string); kind != "github" {
		return fmt.Errorf("%s.type '%s' unsupported (only 'github')", at, kind)
	}
	if source := skill["source"].(string); !skillSource.MatchString(source) {
		return fmt.Errorf("%s.source '%s' must be 'owner/repo'", at, masked(source))
	}
	return nil
}

// skillCommon checks what both shapes have in common.
func skillCommon(at string, skill map[string]any, seen map[string]bool) error {
	name, named := skill["name"].(string)
	if named && !skillName.MatchString(name) {
		return fmt.Errorf("%s.name '%s' must match [a-z0-9][a-z0-9-]{0,63}", at, name)
	}
	what := "name"
	if !named {
		what, name = "source", "@github:"+skill["source"].(string)
	}
	if seen[name] {
		return fmt.Errorf("%s: duplicate %s '%s'", at, what, name)
	}
	seen[name] = true
	if len([]rune(skill["description"].(string))) > maxSkillDescription {
		return fmt.Errorf("%s.description exceeds %d chars", at, maxSkillDescription)
	}
	return nil
}

func onlyKeys(at string, object map[string]any, shape string, allowed ...string) error {
	unknown := slices.DeleteFunc(slices.Sorted(maps.Keys(object)), func(key string) bool { return slices.Contains(allowed, key) })
	if len(unknown) == 0 {
		return nil
	}
	return fmt.Errorf("%s: unknown keys %s. Allowed for %s: %s", at, runtimes.Quoted(unknown), shape, runtimes.Quoted(allowed))
}

func requireStrings(at string, object map[string]any, fields ...string) error {
	for _, field := range fields {
		value, given := object[field]
		if !given {
			return fmt.Errorf("%s missing required field: %s", at, field)
		}
		if _, ok := value.(string); !ok {
			return fmt.Errorf("%s.%s must be a string", at, field)
		}
	}
	return nil
}
