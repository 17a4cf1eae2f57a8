package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/admin"
	"nms-alert-relay/internal/client"
	"nms-alert-relay/internal/text"
)

// envAdmin is the environment variable for --admin.
const envAdmin = "ALERT_RELAY_ADMIN"

// envAdminToken is the environment variable with the admin listener's token, for the relay and for the commands that call it.
const envAdminToken = "ALERT_RELAY_ADMIN_TOKEN"

// adminFlags find a running relay's admin listener.
type adminFlags struct {
	*globals
	url, tokenFile string
}

func (a *adminFlags) add(cmd *cobra.Command) {
	a.configFlag(cmd)
	a.outputFlag(cmd)
	cmd.Flags().StringVar(&a.url, "admin", "", "`URL` of the relay's admin listener (or "+envAdmin+")")
	cmd.Flags().StringVar(&a.tokenFile, "admin-token-file", "", "`FILE` with the admin listener's token (or "+envAdminToken+")")
	_ = cmd.MarkFlagFilename("admin-token-file") // the flag is defined just above
}

// relay finds the admin listener for a command that reads or changes what the relay has: never a guessed one.
func (a *adminFlags) relay(cmd *cobra.Command) (client.Relay, error) {
	r, err := a.find(cmd)
	if err == nil {
		err = failed(r.Guess)
	}
	return r, err
}

// find finds the admin listener by its address or by the relay's configuration, whatever is wrong with that.
func (a *adminFlags) find(cmd *cobra.Command) (client.Relay, error) {
	r := client.Relay{URL: a.address(), Token: os.Getenv(envAdminToken)}
	if a.tokenFile != "" {
		var err error
		if r.Token, err = readSecret("admin-token-file", a.tokenFile); err != nil {
			return r, err
		}
	}
	if err := webAddress("admin", r.URL); err != nil || r.URL != "" {
		return r, err
	}
	if a.file() == "" {
		return client.Relay{}, errors.New("which relay? Use --admin URL (or " + envAdmin + "), or --config FILE (or " + envConfig + ") on the relay's own host")
	}
	own, err := a.local(cmd)
	if err != nil {
		return client.Relay{}, err
	}
	local, err := client.Find(own)
	if r.Token != "" {
		local.Token, local.NoToken = r.Token, nil
	}
	return local, failed(err)
}

// address is the URL of the admin listener, if it is given.
func (a *adminFlags) address() string { return cmp.Or(a.url, os.Getenv(envAdmin)) }

// whichRelay ends the help of commands that need a running relay.
const whichRelay = `

The relay must be running. It is found by --admin (or ALERT_RELAY_ADMIN), or by --config (or
ALERT_RELAY_CONFIG) on its own host, also if that file has faults by now.`

// action is what operators do with the entries of a list.
type action struct {
	path    string                   // of the admin API
	done    string                   // printed with each id: "replayed"
	noun    string                   // what --all reaches; without it, each must be named
	nothing func(room string) string // printed if there are none
	byRoom  bool                     // --all may be limited to a room
	ids     lister
}

// newAction completes a command that applies an action to the given ids, or to all.
func newAction(g *globals, cmd *cobra.Command, do action) *cobra.Command {
	a := adminFlags{globals: g}
	var choice admin.Choice
	cmd.ValidArgsFunction = a.complete(do.ids)
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch {
		case do.noun == "":
			return want("ID...")(cmd, args)
		case choice.All && len(args) > 0:
			return fmt.Errorf("--all takes no IDs, got %q", args[0])
		case !choice.All && len(args) == 0:
			return fmt.Errorf("%s: missing ID or --all ('%s list' lists the ids)", cmd.Name(), cmd.Parent().CommandPath())
		case !choice.All && choice.Room != "":
			return errors.New("--room requires --all (an id names its room already)")
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		choices := []admin.Choice{choice}
		if !choice.All {
			choices = nil
			for _, id := range args {
				choices = append(choices, admin.Choice{ID: id})
			}
		}
		relay, err := a.relay(cmd)
		if err != nil {
			return err
		}
		var all admin.Done
		var faults []error
		for _, c := range choices {
			one, err := client.Ask[admin.Done](cmd.Context(), relay, do.path, c)
			if err != nil {
				faults = append(faults, err)
			}
			if errors.Is(err, client.ErrNoRelay) {
				break // it would be for every id
			}
			all.Replayed, all.Dropped = append(all.Replayed, one.Replayed...), append(all.Dropped, one.Dropped...)
			all.Retried, all.Removed = append(all.Retried, one.Retried...), append(all.Removed, one.Removed...)
			all.Left += one.Left
		}
		if len(faults) > 0 && len(all.IDs()) == 0 {
			return failed(errors.Join(faults...))
		}
		err = a.print(cmd, all, func(w io.Writer) {
			ids := all.IDs()
			switch {
			case !choice.All:
				for _, id := range ids {
					fmt.Fprintln(w, do.done, id)
				}
			case len(ids) == 0 && all.Left == 0:
				fmt.Fprintln(w, do.nothing(choice.Room))
			default:
				fmt.Fprintln(w, do.done, count(len(ids), do.noun))
			}
			if all.Left > 0 {
				fmt.Fprintf(w, "%d left: run the command again\n", all.Left)
			}
		})
		return failed(errors.Join(append(faults, err)...))
	}
	a.add(cmd)
	if do.noun != "" {
		cmd.Flags().BoolVar(&choice.All, "all", false, cmd.Name()+" all of them")
	}
	if do.byRoom {
		cmd.Flags().StringVar(&choice.Room, "room", "", "with --all: only those of this `ROOM`")
		complete(cmd, "room", g.rooms)
	}
	return cmd
}

// newShow completes a command that prints the payload of a journal entry, which path of the admin API has. ids, if there are any,
// complete its argument.
func newShow(g *globals, cmd *cobra.Command, path string, ids lister) *cobra.Command {
	a := adminFlags{globals: g}
	_, argument, _ := strings.Cut(cmd.Use, " ")
	cmd.Args = want(argument)
	if ids != nil {
		cmd.ValidArgsFunction = first(a.complete(ids))
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		relay, err := a.relay(cmd)
		if err != nil {
			return err
		}
		e, err := client.Ask[admin.Entry](cmd.Context(), relay, path+url.PathEscape(args[0]), nil)
		if err != nil {
			return failed(err)
		}
		return a.print(cmd, e, func(w io.Writer) { _, _ = io.WriteString(w, e.Payload) }) // a buffer
	}
	a.add(cmd)
	return cmd
}

// listTime formats the times of lists.
func listTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// table is a list in text form: the first rows of total.
type table struct {
	head    string     // column titles, separated by tabs
	rows    [][]string // the first column is the id
	about   int        // the column that completion shows beside the id
	total   int
	nothing string // printed if there are none
}

func (t table) write(w io.Writer) {
	if t.total == 0 {
		fmt.Fprintln(w, t.nothing)
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

// lister asks a relay for a list of at most limit rows, and returns it as data and as a table.
type lister func(ctx context.Context, relay client.Relay, limit int) (any, table, error)

// newList completes a command that prints a list.
func newList(g *globals, cmd *cobra.Command, ask lister) *cobra.Command {
	a := adminFlags{globals: g}
	var limit int
	cmd.Use, cmd.Args = "list", want()
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if limit < 0 {
			return errors.New("--limit must not be negative")
		}
		relay, err := a.relay(cmd)
		if err != nil {
			return err
		}
		list, t, err := ask(cmd.Context(), relay, limit)
		if err != nil {
			return failed(err)
		}
		return a.print(cmd, list, t.write)
	}
	a.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 200, "list at most `N`; 0 for all")
	return cmd
}
