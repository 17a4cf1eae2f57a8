package main

import (
	"github.com/spf13/cobra"

	"nms-alert-relay/internal/config"
)

func newSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration",
		Long: `Print the JSON Schema of the configuration file, for editors: they complete keys, show what
they mean, and underline mistakes. 'check' finds more than a schema can.

Editors with the YAML language server find it through a comment at the top of the file:

  # yaml-language-server: $schema=config.schema.json`,
		Example: "  alert-relay schema > config.schema.json",
		Args:    want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(config.Schema())
			return failed(err)
		},
	}
}
