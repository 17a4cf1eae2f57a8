package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/admin"
	"nms-alert-relay/internal/client"
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
	var room string
	letters := func(ctx context.Context, relay client.Relay, limit int) (any, table, error) {
		return deadLetters(ctx, relay, room, limit)
	}
	list := newList(g, &cobra.Command{
		Short: "List dead letters, newest first",
		Example: `  alert-relay deadletter list --config config.yaml
  alert-relay deadletter list --room noc --limit 0 --output json --admin http://127.0.0.1:9090`,
	}, letters)
	list.Flags().StringVar(&room, "room", "", "only those of this `ROOM`")
	complete(list, "room", g.rooms)
	replay := newAction(g, &cobra.Command{
		Use:   "replay ID...|--all",
		Short: "Send dead letters again",
		Long: `Send dead letters again, once their cause is fixed. A problem is posted as it is now, not as it
was then. A message that Webex rejects again becomes a dead letter again.` + whichRelay,
		Example: `  alert-relay deadletter replay post:main/4711@noc notice:12 --config config.yaml
  alert-relay deadletter replay --all --room noc --config config.yaml    # the bot is back in noc`,
	}, action{path: "/v1/deadletters/replay", done: "replayed", noun: "dead letter", nothing: noDeadLetters, byRoom: true, ids: letters})
	drop := newAction(g, &cobra.Command{
		Use:   "drop ID...",
		Short: "Discard dead letters",
		Long: `Discard dead letters without sending them. They can't be restored; the relay's log records who
dropped them. The problem itself stays, and its room may get a new message when it changes.` + whichRelay,
		Example: `  alert-relay deadletter drop notice:12 --config config.yaml`,
	}, action{path: "/v1/deadletters/drop", done: "dropped", ids: letters})
	cmd.AddCommand(list, replay, drop)
	return cmd
}

// deadLetters lists dead letters: of one room unless room is "".
func deadLetters(ctx context.Context, relay client.Relay, room string, limit int) (any, table, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}, "room": {room}}
	list, err := client.Ask[admin.DeadLetterList](ctx, relay, "/v1/deadletters?"+q.Encode(), nil)
	t := table{head: "ID\tAT\tROOM\tABOUT\tREASON", about: 3, total: list.Total, nothing: noDeadLetters(room)}
	for _, d := range list.DeadLetters {
		t.rows = append(t.rows, []string{d.ID, listTime(d.At), d.Room, cmp.Or(d.About, "-"), d.Reason})
	}
	return list, t, err
}

func noDeadLetters(room string) string {
	if room != "" {
		return fmt.Sprintf("no dead letters for room %q", room)
	}
	return "no dead letters"
}
