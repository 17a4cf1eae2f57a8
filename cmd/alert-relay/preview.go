package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/tryout"
)

func newPreview(g *globals) *cobra.Command {
	var templates, room, now string
	cmd := &cobra.Command{
		Use:   "preview PAYLOAD...",
		Short: "Show the message that a payload would produce, without sending anything",
		Long: `Show the message, the thread and the card that a payload produces. Several payloads of one
problem are applied in order. PAYLOAD is a file with a payload of the media type, "-" for standard
input, or "sample:NAME" for a built-in problem ("sample:list" lists them).`,
		Example: `  alert-relay preview sample:open
  alert-relay preview problem.json update.json recovery.json
  alert-relay preview sample:hostile --template ./templates    # your own templates
  alert-relay preview problem.json -c config.yaml --room db    # as that room would see it`,
		Args: want("PAYLOAD..."), ValidArgsFunction: payloads,
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := parseNow(now)
			if err != nil {
				return err
			}
			cfg, err := g.optional(cmd)
			if err != nil {
				return err
			}
			if room != "" && cfg == nil {
				return fmt.Errorf("--room %s requires a configuration (--config FILE or %s)", room, envConfig)
			}
			p, err := tryout.Preview(tryout.Options{Config: cfg, Templates: templates, Room: room, Now: at, Payloads: args, Stdin: cmd.InOrStdin()})
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
				fmt.Fprintf(w, "--- %s, %s, in room %s (%s)", p.Problem, p.State, p.Room, p.Presentation)
				if p.Presentation != "card" || p.Card == nil {
					fmt.Fprintf(w, ", %d bytes ---\n%s\n", len(p.Root), p.Root)
				} else {
					fmt.Fprintln(w, ": the card is the message ---")
				}
				if p.Thread != "" {
					fmt.Fprintf(w, "--- in its thread ---\n%s\n", p.Thread)
				}
				if p.Card != nil {
					fmt.Fprintf(w, "--- card, buttons: %s ---\n", strings.ReplaceAll(p.Buttons, ",", ", "))
					_ = encode(w, p.Card) // it was made of JSON values, and w is a buffer
					fmt.Fprintf(w, "--- text of the card's message, for notifications and clients without cards, %d bytes ---\n%s\n", len(p.Fallback), p.Fallback)
				}
			})
		},
	}
	g.configFlag(cmd)
	g.outputFlag(cmd)
	cmd.Flags().StringVarP(&templates, "template", "t", "", "`DIR` with templates to try")
	cmd.Flags().StringVar(&room, "room", "", "show it as this configured `ROOM` would see it")
	cmd.Flags().StringVar(&now, "now", "", "`TIME` at which to show it, RFC 3339 (default: the current time)")
	complete(cmd, "room", g.rooms)
	_ = cmd.MarkFlagDirname("template") // the flag is defined just above
	return cmd
}

func parseNow(text string) (time.Time, error) {
	if text == "" {
		return time.Now(), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("--now %q: expected a time such as 2026-11-24T14:00:00Z", text)
	}
	return at, nil
}
