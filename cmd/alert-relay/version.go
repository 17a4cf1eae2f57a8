package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/build"
)

func newVersion(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  alert-relay version --output json",
		Args:    want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			current := build.Current()
			return g.print(cmd, current, func(w io.Writer) { fmt.Fprintf(w, "alert-relay %s\n", current) })
		},
	}
	g.outputFlag(cmd)
	return cmd
}
