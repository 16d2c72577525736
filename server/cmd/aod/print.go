package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// format is how a command prints: for people, or as JSON for programs.
type format string

func (f *format) String() string { return string(*f) }

// Set takes what the command line says.
func (f *format) Set(text string) error {
	if text != "text" && text != "json" {
		return fmt.Errorf("it is not one of text, json")
	}
	*f = format(text)
	return nil
}

// Type names the value in help.
func (f *format) Type() string { return "format" }

// formatFlag gives a command the flag -o.
func formatFlag(cmd *cobra.Command) *format {
	f := format("text")
	cmd.Flags().VarP(&f, "output", "o", "text or json")
	return &f
}

// print writes value as JSON, or lets text write it for people, in columns.
func (f format) print(w io.Writer, value any, text func(w io.Writer)) error {
	if f == "json" {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(value)
	}
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	text(columns)
	return columns.Flush()
}
