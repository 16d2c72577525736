// Command sdk makes the calls of a scenario with the Go SDK, as README.md tells runners to.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	aod "github.com/agent-on-demand/aod/sdk/go"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var scenario struct {
		Client settings
		Steps  []step
	}
	if err := json.NewDecoder(os.Stdin).Decode(&scenario); err != nil {
		return err
	}
	client, err := scenario.Client.client()
	if err != nil {
		return err
	}
	r := runner{client, results{"url": client.BaseURL()}}
	out := json.NewEncoder(os.Stdout)
	for _, s := range scenario.Steps {
		if err := out.Encode(r.take(ctx, s)); err != nil {
			return err
		}
	}
	return nil
}

// settings say how a client is made.
type settings struct {
	Token        string
	Timeout      float64
	Retries      *int
	Reconnects   *int
	WaitForQuota bool `json:"wait_for_quota"`
}

func (s settings) client() (*aod.Client, error) {
	options := []aod.Option{aod.WithPauses(time.Millisecond, 5*time.Millisecond)}
	if s.Retries != nil {
		options = append(options, aod.WithRetries(*s.Retries))
	}
	if s.Reconnects != nil {
		options = append(options, aod.WithReconnects(*s.Reconnects))
	}
	if s.WaitForQuota {
		options = append(options, aod.WithQuotaWait())
	}
	if s.Timeout > 0 {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.ResponseHeaderTimeout = time.Duration(s.Timeout * float64(time.Second))
		options = append(options, aod.WithTransport(t))
	}
	return aod.New("", s.Token, options...)
}

// step is one call.
type step struct {
	Call string          `json:"call"`
	With json.RawMessage `json:"with"`
	As   string          `json:"as"`
}

// outcome is what came of a step.
type outcome struct {
	Result any      `json:"result"`
	Error  *failure `json:"error,omitempty"`
}

// failure is an error as README.md describes it.
type failure struct {
	Kind       string `json:"kind"`
	StatusCode int    `json:"status_code,omitempty"`
	Detail     string `json:"detail"`
	Method     string `json:"method,omitempty"`
	URL        string `json:"url,omitempty"`
	Limit      int    `json:"limit,omitempty"`
	Active     int    `json:"active,omitempty"`
}

type runner struct {
	client  *aod.Client
	earlier results
}

func (r runner) take(ctx context.Context, s step) outcome {
	with, err := r.earlier.fill(s.With)
	if err != nil {
		return outcome{Error: &failure{Kind: "runner", Detail: err.Error()}}
	}
	result, err := r.call(ctx, s.Call, with)
	if err != nil {
		return outcome{Error: told(err)}
	}
	if s.As != "" {
		r.earlier[s.As] = result
	}
	return outcome{Result: result}
}

func told(err error) *failure {
	var refused *aod.Error
	if !errors.As(err, &refused) {
		return &failure{Kind: "connection", Detail: err.Error()}
	}
	f := &failure{Kind: "http", StatusCode: refused.StatusCode, Detail: refused.Detail, Method: refused.Method, URL: refused.URL, Limit: refused.Limit, Active: refused.Active}
	for kind, is := range map[string]error{
		"auth": aod.ErrUnauthorized, "not_found": aod.ErrNotFound, "conflict": aod.ErrConflict,
		"validation": aod.ErrValidation, "rate_limit": aod.ErrRateLimit, "server": aod.ErrServer,
	} {
		if errors.Is(err, is) {
			f.Kind = kind
		}
	}
	return f
}

// results are what earlier steps resulted in, by the name that the scenario gives them.
type results map[string]any

var reference = regexp.MustCompile(`\$\{[a-z_.]+\}`)

// fill puts results in the place of ${name.field}.
func (r results) fill(with json.RawMessage) (json.RawMessage, error) {
	var failed error
	text := reference.ReplaceAllStringFunc(string(with), func(path string) string {
		var fields any = map[string]any(r)
		for name := range strings.SplitSeq(path[2:len(path)-1], ".") {
			object, ok := plain(fields).(map[string]any)
			if !ok || object[name] == nil {
				failed = fmt.Errorf("there is no %s", path)
				return ""
			}
			fields = object[name]
		}
		return fmt.Sprint(fields)
	})
	return json.RawMessage(text), failed
}

// plain is the value as JSON has it.
func plain(value any) any {
	text, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	var fields any
	if json.Unmarshal(text, &fields) != nil {
		return nil
	}
	return fields
}

// all collects what a list yields.
func all[T any](rows iter.Seq2[T, error]) ([]T, error) {
	list := []T{}
	for row, err := range rows {
		if err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	return list, nil
}
