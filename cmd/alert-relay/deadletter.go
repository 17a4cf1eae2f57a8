package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/admin"
)

func newDeadLetter(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deadletter",
		Short: "List, replay or drop messages that Webex rejected for good",
		Long: `A dead letter is a message about a problem, or a notice, that Webex rejected for good: the bot is
no longer in the room, the room is gone, or the message itself is invalid. It is kept, with Webex's
reason and tracking id, until somebody replays or drops it.` + whichRelay,
		Example: `  alert-relay deadletter list --config config.yaml
  alert-relay deadletter replay post:main/4711@noc --config config.yaml
  alert-relay deadletter replay --all --room noc --admin http://127.0.0.1:9090
  alert-relay deadletter drop notice:12 --config config.yaml`,
	}
	cmd.AddCommand(newDeadLetterList(g), newDeadLetterReplay(g), newDeadLetterDrop(g))
	return cmd
}

func newDeadLetterList(g *globals) *cobra.Command {
	var room string
	cmd := newList(g, listing{
		short: "List dead letters, newest first",
		example: `  alert-relay deadletter list --config config.yaml
  alert-relay deadletter list --room noc --limit 0 --output json --admin http://127.0.0.1:9090`,
		ask: func(ctx context.Context, client admin.Client, limit int) (any, table, error) {
			list, err := client.DeadLetters(ctx, room, limit)
			t := table{head: "ID\tAT\tROOM\tABOUT\tREASON", total: list.Total, nothing: noDeadLetters(room)}
			for _, d := range list.DeadLetters {
				t.rows = append(t.rows, []string{d.ID, listTime(d.At), d.Room, cmp.Or(d.About, "-"), d.Reason})
			}
			return list, t, err
		},
	})
	cmd.Flags().StringVar(&room, "room", "", "only those of this `ROOM`")
	complete(cmd, "room", g.rooms)
	return cmd
}

func noDeadLetters(room string) string {
	if room != "" {
		return fmt.Sprintf("no dead letters for room %q", room)
	}
	return "no dead letters"
}

func newDeadLetterReplay(g *globals) *cobra.Command {
	a := adminFlags{globals: g}
	var all bool
	var room string
	cmd := &cobra.Command{
		Use:   "replay ID...|--all",
		Short: "Send dead letters again",
		Long: `Send dead letters again, once their cause is fixed. A problem is posted as it is now, not as it
was then. A message that Webex rejects again becomes a dead letter again.` + whichRelay,
		Example: `  alert-relay deadletter replay post:main/4711@noc notice:12 --config config.yaml
  alert-relay deadletter replay --all --room noc --config config.yaml    # the bot is back in noc`,
		Args: chosen(&all), ValidArgsFunction: a.ids(deadLetterIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			if room != "" && !all {
				return errors.New("--room requires --all (an id names its room already)")
			}
			client, err := a.client(cmd)
			if err != nil {
				return err
			}
			if !all {
				return a.oneByOne(cmd, args, "replayed", client.Replay)
			}
			done, err := client.Replay(cmd.Context(), admin.Choice{All: true, Room: room})
			if err != nil {
				return failed(err)
			}
			return a.allAtOnce(cmd, "replayed", "dead letter", noDeadLetters(room), done)
		},
	}
	a.add(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "replay all dead letters")
	cmd.Flags().StringVar(&room, "room", "", "with --all: only those of this `ROOM`")
	complete(cmd, "room", g.rooms)
	return cmd
}

func newDeadLetterDrop(g *globals) *cobra.Command {
	a := adminFlags{globals: g}
	cmd := &cobra.Command{
		Use:   "drop ID...",
		Short: "Discard dead letters",
		Long: `Discard dead letters without sending them. They can't be restored; the relay's log records who
dropped them. The problem itself stays, and its room may get a new message when it changes.` + whichRelay,
		Example: `  alert-relay deadletter drop notice:12 --config config.yaml`,
		Args:    want("ID..."), ValidArgsFunction: a.ids(deadLetterIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.client(cmd)
			if err != nil {
				return err
			}
			return a.oneByOne(cmd, args, "dropped", client.Drop)
		},
	}
	a.add(cmd)
	return cmd
}
