package main

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/agent-on-demand/aod/api"
)

// build says which aod this is.
type build struct {
	Version   string `json:"version"`
	Commit    string `json:"commit,omitempty"`
	Committed string `json:"commit_time,omitempty"`
	Modified  bool   `json:"modified"` // the tree had changes that are not in the commit
	Go        string `json:"go"`
	OS        string `json:"os"`
	Arch      string `json:"arch"`
	Schema    int    `json:"schema"`   // version of the database; 0 in a client
	Document  string `json:"document"` // version of the OpenAPI document
}

func thisBuild() (build, error) {
	b := build{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Schema: schema()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.time":
				b.Committed = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	var document struct {
		Info struct{ Version string }
	}
	err := yaml.NewDecoder(bytes.NewReader(api.Document)).Decode(&document)
	b.Document = document.Info.Version
	return b, err
}

func versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version, and with -o json all about the build",
		Args:  cobra.NoArgs,
	}
	output := formatFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		b, err := thisBuild()
		if err != nil {
			return err
		}
		return output.print(cmd.OutOrStdout(), b, func(w io.Writer) { fmt.Fprintln(w, "aod", b.Version, b.Go) })
	}
	return cmd
}
