//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

// healthTimeout is less than what supervisors of containers wait.
const healthTimeout = 4 * time.Second

func healthCommand(f flags) *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Ask the server at AOD_ADDR whether it is well",
		Long: `Health asks GET /health of the server that listens at AOD_ADDR on this machine, prints its
answer and ends with 1 unless that is ok. It is made for what supervises a container.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := configure(f)
			if err != nil {
				return err
			}
			client := &http.Client{Timeout: healthTimeout, Transport: &http.Transport{}} // no proxy: it is this machine
			answer, err := client.Get(reachable("http://"+config.Addr) + "/health")
			if failed := (*url.Error)(nil); errors.As(err, &failed) {
				err = failed.Err
			}
			if err != nil {
				return fmt.Errorf("no server answers at %s: %w", config.Addr, err)
			}
			defer answer.Body.Close()
			if _, err := io.Copy(cmd.OutOrStdout(), io.LimitReader(answer.Body, 64<<10)); err != nil {
				return err
			}
			if answer.StatusCode != http.StatusOK {
				return errors.New("the server is not well: it answers " + answer.Status)
			}
			return nil
		},
	}
}
