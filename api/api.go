// Package api holds the OpenAPI document, the source of every type, route and
// check of the server, and the form that times have in it.
package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"
)

// Document is the OpenAPI document as it is written, in YAML.
//
//go:embed openapi.yaml
var Document []byte

// JSON returns a YAML document of maps with string keys as JSON, its keys in the
// same order.
func JSON(document []byte) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(document, &root); err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	var b bytes.Buffer
	if err := write(&b, root.Content[0]); err != nil {
		return nil, err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, b.Bytes(), "", "  "); err != nil {
		return nil, err
	}
	return indented.Bytes(), nil
}

func write(b *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i < len(n.Content); i += 2 {
			if i > 0 {
				b.WriteByte(',')
			}
			name, err := json.Marshal(n.Content[i].Value)
			if err != nil {
				return err
			}
			b.Write(append(name, ':'))
			if err := write(b, n.Content[i+1]); err != nil {
				return err
			}
		}
		b.WriteByte('}')
		return nil
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, item := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := write(b, item); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	case yaml.AliasNode:
		return write(b, n.Alias)
	}
	var value any
	if err := n.Decode(&value); err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	text, err := json.Marshal(value)
	b.Write(text)
	return err
}

// Time is a moment as clients see it: UTC, microseconds, numeric offset, as in
// 2026-04-17T14:00:00.000000+00:00. It reads any RFC 3339 time.
type Time struct{ time.Time }

const quoted = `"2006-01-02T15:04:05.000000-07:00"`

// MarshalJSON writes the time with six fraction digits and the offset +00:00.
func (t Time) MarshalJSON() ([]byte, error) {
	return t.UTC().AppendFormat(make([]byte, 0, len(quoted)), quoted), nil
}

// UnmarshalJSON reads an RFC 3339 time.
func (t *Time) UnmarshalJSON(text []byte) error {
	return t.Time.UnmarshalJSON(text)
}
