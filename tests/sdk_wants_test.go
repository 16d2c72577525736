package tests

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// wantedEvents say what a list of events holds.
type wantedEvents struct {
	Stdout, Stderr *string
	Last           json.RawMessage
	Whole          string
}

// compare says what is wrong with the outcome of a step, and adds its result to those of earlier ones.
func (a *api) compare(s step, line string, results map[string]any) error {
	a.t.Helper()
	var outcome struct {
		Result any
		Error  any
	}
	if err := json.Unmarshal([]byte(line), &outcome); err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	if s.As != "" {
		results[s.As] = outcome.Result
	}
	switch {
	case s.Error != nil:
		return fits("error", refer(s.Error, results), outcome.Error)
	case outcome.Error != nil:
		return fmt.Errorf("is an error")
	case s.Want != nil:
		return fits("result", refer(s.Want, results), outcome.Result)
	case s.Events != nil:
		return a.compareEvents(s, outcome.Result, results)
	}
	return nil
}

// fits says where a value is not as wanted. An object may have more fields.
func fits(at string, want, got any) error {
	switch want := want.(type) {
	case map[string]any:
		fields, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is %v, want an object", at, got)
		}
		for name, value := range want {
			if err := fits(at+"."+name, value, fields[name]); err != nil {
				return err
			}
		}
		return nil
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return fmt.Errorf("%s is %v, want %d entries", at, got, len(want))
		}
		for i, value := range want {
			if err := fits(at+"."+strconv.Itoa(i), value, list[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("%s is %#v, want %#v", at, got, want)
	}
	return nil
}

var reference = regexp.MustCompile(`\$\{[a-z_.]+\}`)

// refer is the value with results in the place of ${name.field}.
func refer(text json.RawMessage, results map[string]any) (value any) {
	full := reference.ReplaceAllStringFunc(string(text), func(path string) string {
		fields := any(results)
		for name := range strings.SplitSeq(path[2:len(path)-1], ".") {
			object, _ := fields.(map[string]any)
			fields = object[name]
		}
		return fmt.Sprint(fields)
	})
	if err := json.Unmarshal([]byte(full), &value); err != nil {
		return err
	}
	return value
}

func (a *api) compareEvents(s step, got any, results map[string]any) error {
	a.t.Helper()
	events, _ := got.([]any)
	if len(events) == 0 {
		return fmt.Errorf("no events")
	}
	said := map[string]string{}
	for _, e := range events {
		fields, _ := e.(map[string]any)
		if fields["type"] == "output" {
			said[fields["stream"].(string)] += fields["data"].(string)
		}
	}
	if want := s.Events.Stdout; want != nil && said["stdout"] != *want {
		return fmt.Errorf("stdout is %q, want %q", said["stdout"], *want)
	}
	if want := s.Events.Stderr; want != nil && said["stderr"] != *want {
		return fmt.Errorf("stderr is %q, want %q", said["stderr"], *want)
	}
	if s.Events.Last != nil {
		if err := fits("last", refer(s.Events.Last, results), events[len(events)-1]); err != nil {
			return err
		}
	}
	if s.Events.Whole == "" {
		return nil
	}
	var with struct{ Since int }
	if s.With != nil {
		if err := json.Unmarshal(s.With, &with); err != nil {
			return err
		}
	}
	session := refer(json.RawMessage(quoted(s.Events.Whole)), results)
	stream := a.stream(fmt.Sprint(session), "Last-Event-ID", strconv.Itoa(with.Since))
	stream.rest()
	var whole []any
	for line := range strings.Lines(stream.raw.String()) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			var event any
			if err := json.Unmarshal([]byte(data), &event); err != nil {
				return err
			}
			whole = append(whole, event)
		}
	}
	return fits("the list of events", whole, got)
}
