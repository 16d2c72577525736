package turn

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/agent-on-demand/aod/store"
)

// shortestSecret is how many characters a text has, at least, that is hidden.
// Shorter ones are in ordinary words.
const shortestSecret = 8

// What is named so is secret.
var (
	secretName   = regexp.MustCompile(`(?i)key|token|secret|password|credential`)
	secretHeader = regexp.MustCompile(`(?i)key|token|secret|password|credential|authorization|cookie`)
)

// secrets are the texts that the session's rows do not show, in every form that is
// known of them: the session's own variables, the operator's keys and the tokens of
// repositories; and of the environment's variables and of what MCP servers are given
// those that are secret by their name.
func (w *worker) secrets() []string {
	var texts []string
	for _, value := range w.Keys {
		texts = append(texts, value.Reveal())
	}
	if w.brief != nil {
		texts = append(texts, secretsOf(w.brief)...)
	}
	var all []string
	for _, text := range texts {
		for _, form := range append(forms(text), lines(text)...) {
			if utf8.RuneCountInString(form) >= shortestSecret {
				all = append(all, form)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// masked is a text of our own, which may quote what is secret, without the session's
// secrets.
func (w *worker) masked(text string) string {
	if text == "" {
		return ""
	}
	return newPatterns(w.secrets()).hide(text)
}

// conclude stores the outcome of the turn. Between it and add, every row of a worker
// that is not a recorder's passes.
func (w *worker) conclude(outcome store.Outcome) error {
	for i := range outcome.Rows {
		outcome.Rows[i].Data = w.masked(outcome.Rows[i].Data)
	}
	return w.Supervisor.conclude(w.ctx, w.session, w.number, outcome)
}

// secretsOf are the values of a brief that are secret.
func secretsOf(b *store.Brief) []string {
	var texts []string
	for _, values := range []map[string]store.Secret{b.Variables, b.Repositories} {
		for _, value := range values {
			texts = append(texts, value.Reveal())
		}
	}
	for name, value := range b.Environment.EnvVars {
		if secretName.MatchString(name) {
			texts = append(texts, value.Reveal())
		}
	}
	for _, server := range b.Agent.MCPServers {
		texts = append(texts, secretsOfServer(server)...)
	}
	return texts
}

// secretsOfServer are the secret headers and variables of an MCP server. What comes
// after a header's scheme is secret by itself.
func secretsOfServer(text json.RawMessage) []string {
	fields := map[string]json.RawMessage{} // not a struct, which would take "ENV" for "env"
	if json.Unmarshal(text, &fields) != nil {
		return nil // refused where it is used
	}
	var texts []string
	for field, name := range map[string]*regexp.Regexp{"headers": secretHeader, "env": secretName} {
		values := map[string]any{}
		if json.Unmarshal(fields[field], &values) != nil {
			continue
		}
		for key, value := range values {
			text, ok := value.(string)
			if !ok || !name.MatchString(key) {
				continue
			}
			texts = append(texts, text)
			if _, credential, cut := strings.Cut(text, " "); cut && field == "headers" {
				texts = append(texts, strings.TrimSpace(credential))
			}
		}
	}
	return texts
}

// lines are the lines of a text that has several, in every form.
func lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != text {
			all = append(all, forms(line)...)
		}
	}
	return all
}

// forms are a text and what becomes of it in JSON, in the environment file and in a
// URL.
func forms(text string) []string {
	all := []string{text, strings.ReplaceAll(text, "'", `'\''`), url.PathEscape(text), url.QueryEscape(text)}
	if user := url.UserPassword(text, ""); text != "" {
		all = append(all, strings.TrimSuffix(user.String(), ":"))
	}
	for _, rest := range []func(rune) bool{
		func(rune) bool { return false },                                                 // JavaScript
		func(r rune) bool { return r == '\u2028' || r == '\u2029' },                      // Go
		func(r rune) bool { return r == '\u2028' || r == '\u2029' || isOneOf(r, "<>&") }, // Go, for HTML
		func(r rune) bool { return r >= utf8.RuneSelf },                                  // Python
	} {
		all = append(all, escaped(text, rest))
	}
	return all
}

func isOneOf(r rune, characters string) bool { return strings.ContainsRune(characters, r) }

// short are the characters that JSON writes with a backslash and a letter.
var short = strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\b", `\b`, "\f", `\f`, "\n", `\n`, "\r", `\r`, "\t", `\t`)

// escaped is what is between the quotes where text is a string in JSON. Besides the
// characters that JSON does not allow as they are, those that rest says are given by
// their number.
func escaped(text string, rest func(rune) bool) string {
	var b strings.Builder
	for _, r := range text {
		switch s := short.Replace(string(r)); {
		case s != string(r):
			b.WriteString(s)
		case r >= ' ' && !rest(r):
			b.WriteRune(r)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		}
	}
	return b.String()
}
