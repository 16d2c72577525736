package server

import (
	"maps"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// rule checks what a schema cannot say. It is given the body and a function that
// tells whether the value at a place has the right form; it looks only at those
// that have.
type rule func(body map[string]any, sound func(loc ...any) bool) []problem

// precondition is what an operation checks before it looks at the body.
type precondition func(c echo.Context) error

// rules are the rules of every operation that has some.
var rules = map[string][]rule{
	"createAgent":       {named, modelNamed, onField("skills", skills), onField("mcp_servers", mcpServers)},
	"updateAgent":       {modelGiven, onField("skills", skills), onField("mcp_servers", mcpServers)},
	"createEnvironment": {onField("packages", packages), onField("env_vars", variables), onField("networking", networking)},
	"updateEnvironment": {onField("packages", packages), onField("env_vars", variables), onField("networking", networking)},
	"createSession":     {resources, onField("secret_env_vars", variables)},
}

// onField makes a rule of a check of one top-level field. It runs if the field
// is there, is not null and has the right form.
func onField(field string, check func(value any) error) rule {
	return func(body map[string]any, sound func(...any) bool) []problem {
		value := body[field]
		if value == nil || !sound(field) {
			return nil
		}
		if err := check(value); err != nil {
			return []problem{ruled(value, err.Error(), field)}
		}
		return nil
	}
}

// shellRuntime is the one runtime that needs no model to be named.
const shellRuntime = "shell"

// named asks for a runtime, by its name or by the provider that it serves.
func named(body map[string]any, _ func(...any) bool) []problem {
	_, runtime := body["runtime"]
	_, provider := body["provider"]
	if runtime || provider {
		return nil
	}
	return []problem{missing(body, "runtime")}
}

// modelNamed asks for a model, unless the runtime has but one.
func modelNamed(body map[string]any, sound func(...any) bool) []problem {
	if _, given := body["model"]; !given && body["runtime"] != shellRuntime {
		return []problem{missing(body, "model")}
	}
	return modelGiven(body, sound)
}

// modelGiven checks the model on its own; whether it suits the runtime is not a
// matter of form.
func modelGiven(body map[string]any, sound func(...any) bool) []problem {
	model, given := body["model"].(string)
	if !given || !sound("model") || body["runtime"] == shellRuntime {
		return nil
	}
	if strings.TrimSpace(model) == "" {
		return []problem{ruled(model, "Model must be a non-empty string", "model")}
	}
	return nil
}

func stringMap(value any) bool {
	object, ok := value.(map[string]any)
	return ok && stringList(slices.Collect(maps.Values(object)))
}

func stringList(value any) bool {
	list, ok := value.([]any)
	return ok && !slices.ContainsFunc(list, func(item any) bool { _, isString := item.(string); return !isString })
}
