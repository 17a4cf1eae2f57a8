package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/relay"
)

// envAdmin is the environment variable for --admin.
const envAdmin = "ALERT_RELAY_ADMIN"

// adminFlags find a running relay's admin listener.
type adminFlags struct {
	*globals
	url string
}

func (a *adminFlags) add(cmd *cobra.Command) {
	a.configFlag(cmd)
	a.outputFlag(cmd)
	cmd.Flags().StringVar(&a.url, "admin", "", "the `URL` of the relay's admin listener")
}

func (a *adminFlags) client(cmd *cobra.Command) (relay.AdminClient, error) {
	address := cmp.Or(a.url, os.Getenv(envAdmin))
	if err := webAddress("admin", address); err != nil {
		return relay.AdminClient{}, err
	}
	if address == "" {
		if a.config == "" {
			return relay.AdminClient{}, errors.New("which relay? Give --admin URL (or " + envAdmin + "), or --config FILE on the relay's own machine")
		}
		cfg, err := a.elsewhere(cmd)
		if err != nil {
			return relay.AdminClient{}, err
		}
		if address, err = relay.AdminURL(cfg); err != nil {
			return relay.AdminClient{}, failed(err)
		}
	}
	return relay.AdminClient{URL: address}, nil
}

// whichRelay is the help's last paragraph.
const whichRelay = `

The relay must run: it is found by --admin (or ALERT_RELAY_ADMIN), or by --config on its own
machine.`

// chosen is a check of arguments: ids, or --all and none.
func chosen(all *bool) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case *all && len(args) > 0:
			return fmt.Errorf("--all is all of them: give it without %q", args[0])
		case !*all && len(args) == 0:
			return fmt.Errorf("%s wants ID... or --all ('%s list' shows the ids)", cmd.Name(), cmd.Parent().CommandPath())
		}
		return nil
	}
}

// oneByOne does something to each id and prints those done. A fault of one
// keeps none of the others, unless the relay can't be asked at all.
func (a *adminFlags) oneByOne(cmd *cobra.Command, ids []string, done string, do func(ctx context.Context, c relay.Choice) (relay.Done, error)) error {
	var all relay.Done
	var faults []error
	for _, id := range ids {
		one, err := do(cmd.Context(), relay.Choice{ID: id})
		if err != nil {
			faults = append(faults, err)
			if errors.Is(err, relay.ErrNoRelay) {
				break
			}
		}
		all.Replayed, all.Dropped, all.Retried = append(all.Replayed, one.Replayed...), append(all.Dropped, one.Dropped...), append(all.Retried, one.Retried...)
	}
	err := a.print(cmd, all, func(w io.Writer) {
		for _, id := range all.IDs() {
			fmt.Fprintf(w, "%s %s\n", done, id)
		}
	})
	return failed(errors.Join(append(faults, err)...))
}

// allAtOnce does something to all of them, and says so in words.
func (a *adminFlags) allAtOnce(cmd *cobra.Command, done, noun, nothing string, all relay.Done) error {
	return a.print(cmd, all, func(w io.Writer) {
		if n := len(all.IDs()); n == 0 && all.Left == 0 {
			fmt.Fprintln(w, "nothing to do:", nothing)
		} else {
			fmt.Fprintf(w, "%s %s\n", done, count(n, noun))
		}
		if all.Left > 0 {
			fmt.Fprintf(w, "%d left: run it again\n", all.Left)
		}
	})
}

// listTime is how times are listed.
func listTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

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
	a := adminFlags{globals: g}
	var room string
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List dead letters, the newest first",
		Example: `  alert-relay deadletter list --config config.yaml
  alert-relay deadletter list --room noc --limit 0 --output json --admin http://127.0.0.1:9090`,
		Args: want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return errors.New("--limit must not be negative")
			}
			client, err := a.client(cmd)
			if err != nil {
				return err
			}
			list, err := client.DeadLetters(cmd.Context(), room, limit)
			if err != nil {
				return failed(err)
			}
			return a.print(cmd, list, func(w io.Writer) { writeDeadLetters(w, list, room) })
		},
	}
	a.add(cmd)
	cmd.Flags().StringVar(&room, "room", "", "only those of this room")
	cmd.Flags().IntVar(&limit, "limit", 200, "list so many; 0 for all")
	return cmd
}

func noDeadLetter(room string) string {
	if room != "" {
		return fmt.Sprintf("there is no dead letter for room %q", room)
	}
	return "there is no dead letter"
}

func writeDeadLetters(w io.Writer, list relay.DeadLetterList, room string) {
	if list.Total == 0 {
		fmt.Fprintln(w, "nothing to do:", noDeadLetter(room))
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tAT\tROOM\tABOUT\tREASON")
	for _, d := range list.DeadLetters {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", printable(d.ID), listTime(d.At), printable(d.Room), cmp.Or(printable(d.About), "-"), printable(d.Reason))
	}
	_ = t.Flush() // w is a buffer
	if more := list.Total - len(list.DeadLetters); more > 0 {
		fmt.Fprintf(w, "and %d more (--limit 0 lists all)\n", more)
	}
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
