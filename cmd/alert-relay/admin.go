package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/relay"
	"nms-alert-relay/internal/text"
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

// table is a list as people read it: the first rows of total.
type table struct {
	head    string // its columns, with tabs between
	rows    [][]string
	total   int
	nothing string // what to say where there is none
}

func (t table) write(w io.Writer) {
	if t.total == 0 {
		fmt.Fprintln(w, "nothing to do:", t.nothing)
		return
	}
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, t.head)
	for _, row := range t.rows {
		for i := range row {
			row[i] = text.Line(row[i])
		}
		fmt.Fprintln(columns, strings.Join(row, "\t"))
	}
	_ = columns.Flush() // w is a buffer
	if more := t.total - len(t.rows); more > 0 {
		fmt.Fprintf(w, "and %d more (--limit 0 lists all)\n", more)
	}
}

// listing is what a list command asks a running relay for.
type listing struct {
	short, example string
	// ask gives the list as data and as a table.
	ask func(ctx context.Context, client relay.AdminClient, limit int) (any, table, error)
}

func newList(g *globals, l listing) *cobra.Command {
	a := adminFlags{globals: g}
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   l.short,
		Example: l.example,
		Args:    want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return errors.New("--limit must not be negative")
			}
			client, err := a.client(cmd)
			if err != nil {
				return err
			}
			list, t, err := l.ask(cmd.Context(), client, limit)
			if err != nil {
				return failed(err)
			}
			return a.print(cmd, list, t.write)
		},
	}
	a.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 200, "list so many; 0 for all")
	return cmd
}
