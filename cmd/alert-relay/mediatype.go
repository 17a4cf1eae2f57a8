package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"nms-alert-relay/zabbix"
)

func newMediaType() *cobra.Command {
	var s zabbix.Settings
	var secretFile string
	cmd := &cobra.Command{
		Use:   "mediatype",
		Short: "Print the Zabbix media type (YAML) to import",
		Long: `Print the media type that Zabbix 6.0 and later import under
Alerts > Media types > Import (Administration > Media types on 6.0). What the flags give is
filled in: setting it before the import keeps a later import from undoing it. With --secret-file the
secret stands in the output.`,
		Example: "  alert-relay mediatype --url https://relay.example.com --source main > mediatype.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if secretFile != "" {
				secret, err := os.ReadFile(secretFile)
				if err != nil {
					return failed(err)
				}
				s.Secret = strings.TrimSpace(string(secret))
			}
			_, err := cmd.OutOrStdout().Write(zabbix.Filled(s))
			return failed(err)
		},
	}
	cmd.Flags().StringVar(&s.URL, "url", "", "where the Zabbix server reaches the relay")
	cmd.Flags().StringVar(&s.Source, "source", "", "the source's name in the relay's configuration")
	cmd.Flags().StringVar(&s.HTTPProxy, "http-proxy", "", "a proxy between the Zabbix server and the relay")
	cmd.Flags().StringVar(&secretFile, "secret-file", "", "a file with the source's secret")
	return cmd
}
