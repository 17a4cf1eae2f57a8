package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/tryout"
)

func newRoute(g *globals) *cobra.Command {
	var now string
	cmd := &cobra.Command{
		Use:   "route PAYLOAD...",
		Short: "Explain which rooms a payload goes to, and why",
		Long: `Explain, route by route, why a payload matches or doesn't; then which rooms get it later or more
than once (delay, quiet hours, escalation, reminders). PAYLOAD is a file with a payload of the media
type, "-" for standard input, or "sample:NAME" for a built-in problem ("alert-relay preview
sample:list" lists them).`,
		Example: `  alert-relay route -c config.yaml problem.json
  alert-relay route -c config.yaml sample:open --now 2026-11-28T03:00:00+01:00    # on a Saturday night`,
		Args: want("PAYLOAD..."), ValidArgsFunction: payloads,
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := parseNow(now)
			if err != nil {
				return err
			}
			cfg, err := g.elsewhere(cmd)
			if err != nil {
				return err
			}
			e, err := tryout.ExplainRoute(tryout.Options{Config: cfg, Now: at, Payloads: args, Stdin: cmd.InOrStdin()})
			if err != nil {
				return failed(err)
			}
			return g.print(cmd, e, func(w io.Writer) {
				fmt.Fprintf(w, "%s, %s, severity %s\n", e.Problem, text.Line(e.Name), e.Severity)
				for _, s := range e.Steps {
					mark := "no "
					switch {
					case s.Skipped:
						mark = "-  "
					case s.Matched:
						mark = "yes"
					}
					where := ""
					if s.Line > 0 {
						where = fmt.Sprintf(" (line %d)", s.Line)
					}
					fmt.Fprintf(w, "  %s %s%s: %s", mark, s.Route, where, text.Line(s.Reason.String()))
					if s.Matched && len(s.Rooms) > 0 {
						fmt.Fprintf(w, " → %s", strings.Join(s.Rooms, ", "))
					}
					fmt.Fprintln(w)
				}
				fmt.Fprintf(w, "rooms: %s\n", strings.Join(e.Rooms, ", "))
				for _, r := range e.When {
					fmt.Fprintf(w, "  %s: %s\n", r.Room, r.When)
				}
			})
		},
	}
	g.configFlag(cmd)
	g.outputFlag(cmd)
	cmd.Flags().StringVar(&now, "now", "", "`TIME` at which to route it, RFC 3339 (default: the current time)")
	return cmd
}
