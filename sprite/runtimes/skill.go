package runtimes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
)

// skill is an agent's skill as the API stores it. One with a type comes from
// GitHub.
type skill struct {
	Type        *string `json:"type"`
	Name        string  `json:"name"`
	Description string  `json:"description"`
	Content     string  `json:"content"`
	Source      string  `json:"source"`
}

// skillsInstaller is the newest version that works with the Node.js 20 of our runtimes; later ones need 22.
const skillsInstaller = "skills@1.5.18"

// skills puts an agent's own skills below root and leaves the others to the
// skills installer, which knows the runtime as installer.
func skills(a Agent, root, installer string) (files []File, commands [][]string, err error) {
	for i, text := range a.Skills {
		var s skill
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, nil, fmt.Errorf("read skill %d: %w", i, err)
		}
		if s.Type == nil {
			files = append(files, File{Path: root + "/" + s.Name + "/SKILL.md", Data: s.document(), Mode: 0o644})
		} else {
			commands = append(commands, s.fetch(installer))
		}
	}
	return files, commands, nil
}

// frontMatter begins a document that says of itself what it is.
var frontMatter = regexp.MustCompile(`\A---\r?\n(?s:.*?\r?\n)?---\r?(\n|\z)`)

func (s *skill) document() []byte {
	if frontMatter.MatchString(s.Content) {
		return []byte(s.Content)
	}
	return fmt.Appendf(nil, "---\nname: %s\ndescription: %s\n---\n\n%s", scalar(s.Name), scalar(s.Description), s.Content)
}

func (s *skill) fetch(installer string) []string {
	argv := []string{"npx", "-y", skillsInstaller, "add", s.Source, "--global", "--agent", installer, "--yes"}
	if s.Name != "" {
		argv = append(argv, "--skill", s.Name)
	}
	return argv
}

// scalar is text as a YAML string on one line. JSON's strings are YAML's.
func scalar(text string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		panic(fmt.Sprintf("encode a skill's description: %v", err)) // a string only
	}
	return bytes.TrimSpace(b.Bytes())
}
