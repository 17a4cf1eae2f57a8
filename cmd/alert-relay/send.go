package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/relay"
)

func newSend(g *globals) *cobra.Command {
	var o relay.SendOptions
	var tokenFile string
	cmd := &cobra.Command{
		Use:   "send ROOM TEXT",
		Short: "Send a status message to a room through a running relay",
		Long: `Send a message to a room through a running relay's notify API: it is kept, retried and
delivered as all else. TEXT is markdown; "-" reads it from standard input. ROOM is a configured
room, or with --person an e-mail address.

The relay is found by --url (or ALERT_RELAY_URL) with the token in --token-file (or
ALERT_RELAY_TOKEN); or by --config on the relay's own machine.`,
		Example: `  alert-relay send noc "Backup of **db1** finished" --config config.yaml
  ALERT_RELAY_TOKEN=… alert-relay send noc - --url https://relay.example.com --key backup-db1 < report.md`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.To, o.Markdown = args[0], args[1]
			if o.Markdown == "-" {
				text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 1<<20))
				if err != nil {
					return failed(fmt.Errorf("standard input: %w", err))
				}
				o.Markdown = strings.TrimSpace(string(text))
			}
			if tokenFile != "" {
				token, err := os.ReadFile(tokenFile)
				if err != nil {
					return failed(err)
				}
				o.Token = strings.TrimSpace(string(token))
			}
			o.URL, o.Token = cmp.Or(o.URL, os.Getenv("ALERT_RELAY_URL")), cmp.Or(o.Token, os.Getenv("ALERT_RELAY_TOKEN"))
			if o.URL == "" || o.Token == "" {
				if g.config == "" {
					return fmt.Errorf("which relay? Give --url with a token, or --config")
				}
				cfg, err := g.load(cmd)
				if err != nil {
					return err
				}
				if o, err = o.FromConfig(cfg); err != nil {
					return failed(err)
				}
			}
			id, err := relay.Send(cmd.Context(), o)
			if err != nil {
				return failed(err)
			}
			return g.print(cmd, map[string]string{"id": id}, func(w io.Writer) { fmt.Fprintf(w, "taken, notice %s\n", id) })
		},
	}
	g.configFlag(cmd, false)
	cmd.Flags().StringVar(&o.URL, "url", "", "the relay's public address")
	cmd.Flags().StringVar(&tokenFile, "token-file", "", "a file with a notify token")
	cmd.Flags().StringVar(&o.Key, "key", "", "a later message with the same key edits this one")
	cmd.Flags().BoolVar(&o.Person, "person", false, "ROOM is an e-mail address: a direct message")
	return cmd
}
