package runtimes

import (
	"slices"
	"strings"
)

// modelSigns may stand in a model's id beside letters and digits.
const modelSigns = "._-:/@"

// shellModel is the only model of the runtime shell.
const shellModel = "local/bash"

// Model is the canonical form, provider/model_id, of the model that a request
// names together with a runtime and, where it is not empty, a provider. Its
// errors are *UnknownRuntime, *UnknownProvider, *BadModel and *Mismatch.
func Model(runtime, provider, model string) (string, error) {
	if runtime == "shell" && (model == "" || model == "bash") {
		model = shellModel
	}
	if err := checkModel(model); err != nil {
		return "", err
	}
	r, ok := ByName(runtime)
	if !ok {
		return "", &UnknownRuntime{runtime}
	}
	if _, known := Served(provider); !known && provider != "" && !slices.Contains(r.Providers, provider) {
		return "", &UnknownProvider{provider}
	}
	prefix, id, canonical := strings.Cut(model, "/")
	switch {
	case canonical && (prefix == "" || id == ""):
		return "", badModel("Model '%s' must be 'provider/model_id' with neither of the two empty", model)
	case canonical && provider != "" && prefix != provider:
		return "", mismatch("Model provider prefix '%s' does not match provider '%s'", prefix, provider)
	case !canonical && provider != "":
		prefix, id = provider, model
	case !canonical && len(r.Providers) == 1:
		prefix, id = r.Providers[0], model
	case !canonical:
		return "", badModel("Model must be 'provider/model_id' for runtime %s", runtime)
	}
	model = prefix + "/" + id
	if !slices.Contains(r.Providers, prefix) {
		return "", mismatch("Runtime %s cannot serve model %s: provider %s not in %s", runtime, model, prefix, Quoted(r.Providers))
	}
	if runtime == "shell" && model != shellModel {
		return "", badModel("Model must be '%s' for runtime shell", shellModel)
	}
	return model, nil
}

func checkModel(model string) error {
	if strings.TrimSpace(model) == "" {
		return badModel("Model must be a non-empty string")
	}
	odd := strings.IndexFunc(model, func(c rune) bool {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		digit := c >= '0' && c <= '9'
		return !letter && !digit && !strings.ContainsRune(modelSigns, c)
	})
	if odd >= 0 {
		return badModel("Model must contain only letters, digits and '%s'", modelSigns)
	}
	return nil
}

// ResolveRuntime is the runtime that a request means which names a runtime, or a
// provider, or both; nil is what it does not name. Its errors are *UnknownRuntime
// and *UnknownProvider.
func ResolveRuntime(runtime, provider *string) (string, error) {
	if runtime == nil && provider != nil {
		served, ok := Served(*provider)
		if !ok {
			return "", &UnknownProvider{*provider}
		}
		return served, nil
	}
	if runtime == nil {
		return "", &UnknownRuntime{}
	}
	if _, ok := ByName(*runtime); !ok {
		return "", &UnknownRuntime{*runtime}
	}
	return *runtime, nil
}

// Served is the runtime that a provider alone stands for.
func Served(provider string) (runtime string, ok bool) {
	runtime, ok = providers[provider]
	return runtime, ok
}

// ProviderNames are the providers that a request may name, sorted.
func ProviderNames() []string {
	var found []string
	for name := range providers {
		found = append(found, name)
	}
	slices.Sort(found)
	return found
}

// ProviderOf is the provider of a canonical model. Without a model, as in a
// session whose agent is gone, it follows from the runtime.
func ProviderOf(runtime, model string) string {
	if prefix, _, ok := strings.Cut(model, "/"); ok && prefix != "" {
		return prefix
	}
	for provider, served := range providers {
		if served == runtime {
			return provider
		}
	}
	return runtime
}
