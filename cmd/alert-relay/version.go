package main

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker in a release: -X main.version=1.2.3.
var version = "dev"

// buildVersion returns the version, and the Go version that built it.
func buildVersion() string { return fmt.Sprintf("%s (%s)", version, goVersion()) }

func goVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.GoVersion
	}
	return "unknown"
}

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
			}{version, goVersion()}
			return g.print(cmd, data, func(w io.Writer) { fmt.Fprintf(w, "alert-relay %s\n", buildVersion()) })
		},
	}
	g.outputFlag(cmd)
	return cmd
}
