package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/relay"
)

func newDeadLetter(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deadletter",
		Short: "List, replay or drop what Webex refused for good",
		Long: `A dead letter is a message about a problem, or a notice, that Webex refused for good: the bot isn't
in the room any more, the room is gone, the message itself isn't taken. It is kept, with Webex's
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
		short: "List dead letters, the newest first",
		example: `  alert-relay deadletter list --config config.yaml
  alert-relay deadletter list --room noc --limit 0 --output json --admin http://127.0.0.1:9090`,
		ask: func(ctx context.Context, client relay.AdminClient, limit int) (any, table, error) {
			list, err := client.DeadLetters(ctx, room, limit)
			t := table{head: "ID\tAT\tROOM\tABOUT\tREASON", total: list.Total, nothing: noDeadLetter(room)}
			for _, d := range list.DeadLetters {
				t.rows = append(t.rows, []string{d.ID, listTime(d.At), d.Room, cmp.Or(d.About, "-"), d.Reason})
			}
			return list, t, err
		},
	})
	cmd.Flags().StringVar(&room, "room", "", "only those of this room")
	return cmd
}

func noDeadLetter(room string) string {
	if room != "" {
		return fmt.Sprintf("there is no dead letter for room %q", room)
	}
	return "there is no dead letter"
}

func newDeadLetterReplay(g *globals) *cobra.Command {
	a := adminFlags{globals: g}
	var all bool
	var room string
	cmd := &cobra.Command{
		Use:   "replay ID...|--all",
		Short: "Have dead letters sent again",
		Long: `Have dead letters sent again, once their cause is mended. A problem is told as it is now, not as
it was. What Webex refuses again is a dead letter again.` + whichRelay,
		Example: `  alert-relay deadletter replay post:main/4711@noc notice:12 --config config.yaml
  alert-relay deadletter replay --all --room noc --config config.yaml    # the bot is back in noc`,
		Args: chosen(&all),
		RunE: func(cmd *cobra.Command, args []string) error {
			if room != "" && !all {
				return errors.New("--room is for --all: an id says its room")
			}
			client, err := a.client(cmd)
			if err != nil {
				return err
			}
			if !all {
				return a.oneByOne(cmd, args, "replayed", client.Replay)
			}
			done, err := client.Replay(cmd.Context(), relay.Choice{All: true, Room: room})
			if err != nil {
				return failed(err)
			}
			return a.allAtOnce(cmd, "replayed", "dead letter", noDeadLetter(room), done)
		},
	}
	a.add(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "all dead letters")
	cmd.Flags().StringVar(&room, "room", "", "with --all: only those of this room")
	return cmd
}

func newDeadLetterDrop(g *globals) *cobra.Command {
	a := adminFlags{globals: g}
	cmd := &cobra.Command{
		Use:   "drop ID...",
		Short: "Give up dead letters on purpose",
		Long: `Give up dead letters: their rooms aren't told. What is dropped is gone; the relay's log keeps who
asked. The problem itself stays, and when it changes, its room may be told of it anew.` + whichRelay,
		Example: `  alert-relay deadletter drop notice:12 --config config.yaml`,
		Args:    want("ID..."),
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
