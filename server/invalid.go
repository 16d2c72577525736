package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// problem is one entry of a 422 answer (contract of the error envelope: the
// style of pydantic 2).
type problem struct {
	Type  string `json:"type"`
	Loc   []any  `json:"loc"`
	Msg   string `json:"msg"`
	Input any    `json:"input"`
}

// invalid is a request whose fields do not fit the document or its rules.
type invalid struct{ problems []problem }

func (e *invalid) Error() string { return fmt.Sprintf("%d invalid fields", len(e.problems)) }

// ruled is a problem that a rule has found.
func ruled(input any, msg string, loc ...any) problem {
	return problem{Type: "value_error", Loc: loc, Msg: "Value error, " + msg, Input: input}
}

// missing is a field that is not there; body is what it is missing from.
func missing(body any, loc ...any) problem {
	return problem{Type: "missing", Loc: loc, Msg: "Field required", Input: body}
}

// problems lists the errors of kin-openapi. Of the branches of a oneOf it leaves
// out the one that only says "not null".
func problems(err error) []problem {
	switch e := err.(type) {
	case openapi3.MultiError:
		var all []problem
		for _, one := range e {
			all = append(all, problems(one)...)
		}
		return all
	case *openapi3.SchemaError:
		var branches openapi3.MultiError
		if e.Origin == nil || !errors.As(e.Origin, &branches) || len(branches) == 0 {
			return []problem{formal(e)}
		}
		informative := slices.DeleteFunc(slices.Clone(branches), func(branch error) bool {
			b, ok := branch.(*openapi3.SchemaError)
			return ok && len(branches) > 1 && b.SchemaField == "type" && b.Schema.Type.Is(openapi3.TypeNull)
		})
		return problems(informative)
	}
	return []problem{{Type: "value_error", Loc: []any{}, Msg: "Value error, " + err.Error()}}
}

// wording is how clients know a JSON type: in the code and in the text.
var wording = map[string][2]string{
	openapi3.TypeString:  {"string", "string"},
	openapi3.TypeInteger: {"int", "integer"},
	openapi3.TypeNumber:  {"float", "number"},
	openapi3.TypeBoolean: {"bool", "boolean"},
	openapi3.TypeArray:   {"list", "list"},
	openapi3.TypeObject:  {"dict", "dictionary"},
}

// formal words what kin-openapi has found.
func formal(e *openapi3.SchemaError) problem {
	p := problem{Type: "value_error", Loc: []any{}, Msg: "Value error, " + e.Reason, Input: e.Value}
	for _, step := range e.JSONPointer() {
		p.Loc = append(p.Loc, step)
	}
	s := e.Schema
	switch e.SchemaField {
	case "required":
		p.Type, p.Msg = "missing", "Field required"
	case "type", "nullable":
		p.Type, p.Msg = mistyped(e)
	case "minLength":
		p.Type, p.Msg = "string_too_short", "String should have at least "+count(s.MinLength, "character")
	case "maxLength":
		p.Type, p.Msg = "string_too_long", "String should have at most "+count(*s.MaxLength, "character")
	case "minimum":
		p.Type, p.Msg = "greater_than_equal", fmt.Sprintf("Input should be greater than or equal to %.0f", *s.Min)
	case "maximum":
		p.Type, p.Msg = "less_than_equal", fmt.Sprintf("Input should be less than or equal to %.0f", *s.Max)
	case "pattern":
		p.Type, p.Msg = "string_pattern_mismatch", fmt.Sprintf("String should match pattern '%s'", s.Pattern)
	case "enum":
		p.Type, p.Msg = "literal_error", "Input should be "+alternatives(s.Enum)
	}
	return p
}

func mistyped(e *openapi3.SchemaError) (code, msg string) {
	kinds := slices.DeleteFunc(slices.Clone(e.Schema.Type.Slice()), func(t string) bool { return t == openapi3.TypeNull })
	if len(e.JSONPointer()) == 0 || len(kinds) == 0 {
		return "model_type", "Input should be a valid dictionary"
	}
	if kinds[0] == openapi3.TypeInteger {
		switch e.Value.(type) {
		case string:
			return "int_parsing", "Input should be a valid integer, unable to parse string as an integer"
		case float64:
			return "int_from_float", "Input should be a valid integer, got a number with a fractional part"
		}
	}
	word := wording[kinds[0]]
	return word[0] + "_type", "Input should be a valid " + word[1]
}

func alternatives(values []any) string {
	var b strings.Builder
	for i, v := range values {
		switch {
		case i == 0:
		case i == len(values)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "'%v'", v)
	}
	return b.String()
}

func count(n uint64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.FormatUint(n, 10) + " " + noun
}

const hidden = "[redacted]"

// confidential names the fields whose values are never shown again.
var confidential = map[string]bool{
	"env_vars": true, "secret_env_vars": true, "authorization_token": true, "headers": true, "env": true, "args": true,
}

// redact hides what is confidential in the input of a problem. A text in the place
// of a list or an object may be just that, encoded once too often.
func redact(p problem) problem {
	_, isText := p.Input.(string)
	encoded := isText && (p.Type == "model_type" || p.Type == "dict_type" || p.Type == "list_type")
	if encoded || slices.ContainsFunc(p.Loc, func(step any) bool { name, _ := step.(string); return confidential[name] }) {
		p.Input = hidden
		return p
	}
	p.Input = redacted(p.Input)
	return p
}

var (
	userinfo = regexp.MustCompile(`\S*:\S*@`)
	rest     = regexp.MustCompile(`(://[^\s?#]*[?#])\S*`)
)

// masked hides what URLs in a text may have of passwords and tokens, and a text
// that is a list or an object, encoded.
func masked(text string) string {
	if start := strings.TrimSpace(text); strings.HasPrefix(start, "{") || strings.HasPrefix(start, "[") {
		return hidden
	}
	return rest.ReplaceAllString(userinfo.ReplaceAllString(text, hidden+"@"), "${1}"+hidden)
}

func redacted(value any) any {
	switch v := value.(type) {
	case map[string]any:
		shown := make(map[string]any, len(v))
		for name, inner := range v {
			if shown[name] = hidden; !confidential[name] {
				shown[name] = redacted(inner)
			}
		}
		return shown
	case []any:
		shown := make([]any, len(v))
		for i, inner := range v {
			shown[i] = redacted(inner)
		}
		return shown
	case string:
		return masked(v)
	case json.Number:
		if _, err := v.Float64(); err != nil { // too large for most readers of JSON
			return v.String()
		}
	case float64: // from kin-openapi; json would write 1e+21
		return json.Number(strconv.FormatFloat(v, 'f', -1, 64))
	}
	return value
}
