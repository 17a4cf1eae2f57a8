package main

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/zabbix"
)

func newMediaType() *cobra.Command {
	var s zabbix.Settings
	var secretFile string
	cmd := &cobra.Command{
		Use:   "mediatype",
		Short: "Print the Zabbix media type (YAML) to import",
		Long: `Print the media type that Zabbix 6.0 and later import under
Alerts > Media types > Import (Administration > Media types on 6.0). The flags fill in its
parameters; parameters that you fill in only after the import are reset by a later import. With
--secret-file the output contains the secret: keep it private.`,
		Example: `  alert-relay mediatype --url https://relay.example.com --secret-file /etc/alert-relay/relay-secret > mediatype.yaml`,
		Args:    want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for flag, address := range map[string]string{"url": s.URL, "http-proxy": s.HTTPProxy} {
				if err := webAddress(flag, address); err != nil {
					return err
				}
			}
			if secretFile != "" {
				var err error
				if s.Secret, err = readSecret("secret-file", secretFile); err != nil {
					return err
				}
				if wrong, hint := config.SigningSecret(s.Secret); wrong != "" {
					return failed(fmt.Errorf("--secret-file: the secret in %s %s (%s)", secretFile, wrong, hint))
				}
			}
			_, err := cmd.OutOrStdout().Write(zabbix.Filled(s))
			return failed(err)
		},
	}
	cmd.Flags().StringVar(&s.URL, "url", "", "`URL` at which the Zabbix server reaches the relay")
	cmd.Flags().StringVar(&s.Source, "source", "", "`NAME` of the source in the relay's configuration")
	cmd.Flags().StringVar(&s.HTTPProxy, "http-proxy", "", "`URL` of a proxy between the Zabbix server and the relay")
	cmd.Flags().StringVar(&secretFile, "secret-file", "", "`FILE` with the source's secret")
	_ = cmd.MarkFlagFilename("secret-file") // the flag is defined just above
	return cmd
}

// webAddress checks that a flag's value is an http or https URL; an empty one is fine.
func webAddress(flag, address string) error {
	if u, err := url.Parse(address); address != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return fmt.Errorf("--%s %q: expected http:// or https:// and a host, such as https://relay.example.com", flag, text.RedactURL(address))
	}
	return nil
}
