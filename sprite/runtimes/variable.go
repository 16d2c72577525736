package runtimes

import (
	"regexp"
	"strings"
)

// reference is how an MCP server's header or variable names one of the session's.
var reference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// filled is text with the variables that the session has; others stay as they are.
func (a Agent) filled(text string) string {
	return reference.ReplaceAllStringFunc(text, func(found string) string {
		if value, ok := a.Variables[found[2:len(found)-1]]; ok {
			return value
		}
		return found
	})
}

func (a Agent) filledAll(texts map[string]string) map[string]string {
	filled := make(map[string]string, len(texts))
	for name, text := range texts {
		filled[name] = a.filled(text)
	}
	return filled
}

// variableIn is the name of the variable that text is, and nothing else.
func variableIn(text string) string {
	found := reference.FindStringSubmatch(text)
	if found == nil || found[0] != text {
		return ""
	}
	return found[1]
}

// baseURL is where the model's provider is, if a variable of the session says so.
func (a Agent) baseURL(variable, otherwise string) string {
	if url := strings.TrimRight(a.Variables[variable], "/"); url != "" {
		return url
	}
	return otherwise
}
