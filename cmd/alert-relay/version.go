package main

import (
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"
)

// version is set by the linker in a release: -X main.version=1.2.3.
var version = "dev"

// buildVersion returns the version, and the Go version that built it.
func buildVersion() string { return fmt.Sprintf("%s (%s)", version, runtime.Version()) }

func newVersion(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  alert-relay version --output json",
		Args:    want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			data := struct {
				Version string `json:"version"`
				Go      string `json:"go"`
			}{version, runtime.Version()}
			return g.print(cmd, data, func(w io.Writer) { fmt.Fprintf(w, "alert-relay %s\n", buildVersion()) })
		},
	}
	g.outputFlag(cmd)
	return cmd
}
