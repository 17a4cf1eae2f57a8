package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/relay"
)

func newPreview(g *globals) *cobra.Command {
	var templates, room, now string
	cmd := &cobra.Command{
		Use:   "preview PAYLOAD...",
		Short: "Show what a room would see of a payload, without sending anything",
		Long: `Show the message, the thread and the card that a payload makes. Several payloads of one
problem are applied in order. PAYLOAD is a file with what Zabbix posts, "-" for standard input, or
"sample:NAME" for a built-in problem ("sample:list" lists them).`,
		Example: "  alert-relay preview sample:open\n  alert-relay preview problem.json update.json --template ./templates",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := parseNow(now)
			if err != nil {
				return err
			}
			cfg, err := g.optional(cmd)
			if err != nil {
				return err
			}
			p, err := relay.NewPreview(relay.PreviewOptions{Config: cfg, Templates: templates, Room: room, Now: at, Payloads: args, Stdin: cmd.InOrStdin()})
			if err != nil {
				return failed(err)
			}
			return g.print(cmd, p, func(w io.Writer) {
				for _, s := range p.Samples {
					fmt.Fprintln(w, "sample:"+s)
				}
				if len(p.Samples) > 0 {
					return
				}
				fmt.Fprintf(w, "--- %s, %s, %d bytes ---\n%s\n", p.Problem, p.State, len(p.Root), p.Root)
				if p.Thread != "" {
					fmt.Fprintf(w, "--- in its thread ---\n%s\n", p.Thread)
				}
				if p.Card != nil {
					card, _ := json.MarshalIndent(p.Card, "", "  ") // it was made of JSON values
					fmt.Fprintf(w, "--- card, buttons: %s ---\n%s\n", p.Buttons, card)
				}
			})
		},
	}
	g.configFlag(cmd, false)
	cmd.Flags().StringVarP(&templates, "template", "t", "", "a directory of templates to try")
	cmd.Flags().StringVar(&room, "room", "", "show it as this configured room would")
	cmd.Flags().StringVar(&now, "now", "", "the time to show it at, RFC 3339 (now by default)")
	_ = cmd.MarkFlagDirname("template") // the flag is defined just above
	return cmd
}

func parseNow(text string) (time.Time, error) {
	if text == "" {
		return time.Now(), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("--now %q: want a time such as 2026-11-24T14:00:00Z", text)
	}
	return at, nil
}
