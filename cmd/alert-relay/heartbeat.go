package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/client"
)

func newHeartbeat(g *globals) *cobra.Command {
	var relay client.Relay
	var tokenFile string
	cmd := &cobra.Command{
		Use:   "heartbeat NAME",
		Short: "Give a sign of life to a running relay",
		Long: `Give a sign of life to a running relay. NAME is one of the heartbeats in its configuration; a
message says so in its rooms if the next one doesn't come in time. Run it at the end of a job that
must not stop unnoticed.

The relay is found by --url (or ALERT_RELAY_URL), with the token in --token-file (or
ALERT_RELAY_TOKEN). Anything not given is taken from --config (or ALERT_RELAY_CONFIG), on the
relay's own host.`,
		Example: `  backup.sh && alert-relay heartbeat backup --config config.yaml
  alert-relay heartbeat backup --url https://relay.example.com --token-file token`,
		Args: want("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := toRelay(cmd, g, relay, tokenFile, client.Relay.AnySender)
			if err != nil {
				return err
			}
			expected, err := client.Beat(cmd.Context(), r, args[0])
			if err != nil {
				return failed(err)
			}
			return g.print(cmd, map[string]any{"heartbeat": args[0], "expected_by": expected}, func(w io.Writer) {
				fmt.Fprintln(w, "accepted; the next one is expected by", expected.Format(time.RFC3339))
			})
		},
	}
	relayFlags(cmd, g, &relay, &tokenFile)
	return cmd
}
