package traces

import (
	"fmt"
	"net/url"
	"os"
	"strings"
)

// wanted says whether the environment asks for traces that can be sent. What it asks for
// and cannot be done is an error: silence would look like a server that does nothing.
func wanted() (bool, error) {
	if strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") {
		return false, nil
	}
	switch exporter := get("OTEL_TRACES_EXPORTER"); exporter {
	case "", "otlp":
	case "none":
		return false, nil
	default:
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER: it is not one of otlp, none: %s", exporter)
	}
	endpoint := set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	if endpoint == "" {
		return false, nil
	}
	if u, err := url.Parse(get(endpoint)); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return false, fmt.Errorf("%s: it is not of the form http://host:4318", endpoint) // not the value: it may have a password
	}
	if name := set("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); name != "" && get(name) != "http/protobuf" {
		return false, fmt.Errorf("%s: traces are sent as http/protobuf alone, not as %s; unset it, and name the collector's HTTP port, mostly 4318", name, get(name))
	}
	return true, nil
}

func get(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// set is the first of the variables that has a value.
func set(names ...string) string {
	for _, name := range names {
		if get(name) != "" {
			return name
		}
	}
	return ""
}
