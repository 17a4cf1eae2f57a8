package main

import (
	"github.com/spf13/cobra"

	"nms-alert-relay/zabbix"
)

func newTemplate() *cobra.Command {
	return &cobra.Command{
		Use:   "template",
		Short: "Print the Zabbix template (YAML) that monitors the relay",
		Long: `Print the template "Alert relay by HTTP", which Zabbix 6.0 and later import under
Data collection > Templates > Import (Configuration > Templates on 6.0). It reads the relay's
metrics from server.admin_listen. "alert-relay setup zabbix" imports it too.`,
		Example: `  alert-relay template > template.yaml`,
		Args:    want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(zabbix.Template)
			return failed(err)
		},
	}
}
