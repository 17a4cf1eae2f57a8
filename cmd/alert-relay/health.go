package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nms-alert-relay/internal/client"
)

func newHealth(g *globals) *cobra.Command {
	a := adminFlags{globals: g}
	var ready bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running relay whether it is alive",
		Long: `Ask a running relay whether it is alive (/healthz), or with --ready whether it accepts events
(/readyz). The exit code is 0 or 1, as container runtimes expect of a health check.

Restart a relay only if it isn't alive: a restart doesn't empty a full disk.` + whichRelay,
		Example: `  alert-relay health --config /etc/alert-relay/config.yaml
  alert-relay health --ready --admin http://127.0.0.1:9090`,
		Args: want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			relay, err := a.find(cmd)
			if err != nil {
				return err
			}
			path := client.Alive
			if ready {
				path = client.Ready
			}
			word, err := client.Probe(cmd.Context(), relay, path)
			if err != nil {
				return failed(err)
			}
			answer := struct {
				Answer string `json:"answer"`
			}{word}
			return a.print(cmd, answer, func(w io.Writer) { fmt.Fprintln(w, word) })
		},
	}
	a.add(cmd)
	cmd.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "url" { // what other programs' health checks call it
			name = "admin"
		}
		return pflag.NormalizedName(name)
	})
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether it accepts events")
	return cmd
}
