package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/agent-on-demand/aod/sdk/go/pretty"
)

// format is how answers are written: for people, or exactly as the server gave them.
type format string

func (f *format) add(cmd *cobra.Command) {
	*f = "table"
	cmd.PersistentFlags().VarP(f, "output", "o", "table, or json: the server's own answer")
	must(cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "table"}, cobra.ShellCompDirectiveNoFileComp)))
}

func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "FORMAT" }

// Set takes one of the formats.
func (f *format) Set(text string) error {
	if text != "json" && text != "table" {
		return errors.New("it is not one of json, table")
	}
	*f = format(text)
	return nil
}

// show writes an answer: for people with table.
func (f *format) show(cmd *cobra.Command, answer *http.Response, err error, table func(w io.Writer, body []byte) error) error {
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if *f == "json" {
		_, err = cmd.OutOrStdout().Write(body)
		return err
	}
	return table(cmd.OutOrStdout(), body)
}

// column is one of a table.
type column[T any] struct {
	name string
	of   func(T) string
}

// table writes the rows of a list.
func table[T any](columns []column[T]) func(io.Writer, []byte) error {
	return func(w io.Writer, body []byte) error {
		var list struct{ Data []T }
		if err := json.Unmarshal(body, &list); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		line := make([]string, len(columns))
		for i, c := range columns {
			line[i] = c.name
		}
		fmt.Fprintln(t, strings.Join(line, "\t"))
		for _, row := range list.Data {
			for i, c := range columns {
				line[i] = pretty.Cleaned(c.of(row))
			}
			fmt.Fprintln(t, strings.Join(line, "\t"))
		}
		return t.Flush()
	}
}

// details writes an object, one field a line, in the order of the answer.
func details(w io.Writer, body []byte) error {
	d := json.NewDecoder(bytes.NewReader(body))
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		text := string(value)
		if json.Unmarshal(value, &text) != nil || text == "null" {
			text = string(value)
		}
		if string(value) == "null" {
			text = "-"
		}
		fmt.Fprintf(t, "%v\t%s\n", name, pretty.Cleaned(text))
	}
	return t.Flush()
}

// since is how long ago something was, for people.
func since(at time.Time) string { return took(time.Since(at)) }

// took is a time in the one unit that suits it.
func took(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", max(d, 0).Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// must is for what only a mistake of ours makes fail.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
