package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/agent-on-demand/aod/api"
)

// body is what a command sends: the fields of a file, and over them those of its flags.
type body struct {
	file   string
	fields map[string]json.RawMessage
}

func (b *body) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&b.file, "file", "f", "", "take the fields from a `FILE` of JSON or YAML, - for standard input; flags win over it")
}

// read takes the file's fields.
func (b *body) read(stdin io.Reader) error {
	b.fields = map[string]json.RawMessage{}
	if b.file == "" {
		return nil
	}
	read := func() ([]byte, error) { return readFile(b.file, bodyLimit) }
	if b.file == "-" {
		read = func() ([]byte, error) { return readAll(stdin, bodyLimit) }
	}
	text, err := read()
	if err != nil {
		return fmt.Errorf("--file: %w", err)
	}
	if !json.Valid(text) {
		if text, err = fromYAML(text); err != nil {
			return fmt.Errorf("--file: %w", err)
		}
	}
	if err := json.Unmarshal(text, &b.fields); err != nil || b.fields == nil {
		return errors.New("--file: it is not an object with the fields of the API")
	}
	return nil
}

// fromYAML is a YAML document as JSON.
func fromYAML(text []byte) ([]byte, error) {
	var fields map[string]any // this finds what is no mapping, and aliases that would grow without end
	if err := yaml.Unmarshal(text, &fields); err != nil {
		return nil, fmt.Errorf("neither JSON nor YAML with names: %w", err)
	}
	if len(fields) == 0 {
		return nil, errors.New("it is empty")
	}
	return api.JSON(text)
}

// set adds a field that a flag gives.
func (b *body) set(cmd *cobra.Command, flag, field string, value any) {
	if !cmd.Flags().Changed(flag) {
		return
	}
	b.put(field, value)
}

func (b *body) put(field string, value any) {
	text, err := json.Marshal(value)
	must(err)
	b.fields[field] = text
}

// reader is the body as it is sent.
func (b *body) reader() io.Reader {
	text, err := json.Marshal(b.fields)
	must(err)
	return bytes.NewReader(text)
}
