package main

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nms-alert-relay/internal/admin"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/text"
)

// completion completes an argument or a flag's value for a shell. It never fails and prints nothing; it offers only what it can find out.
type completion = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective)

// completionTime bounds how long a shell waits for a running relay.
const completionTime = 2 * time.Second

// noFilesByDefault keeps shells from offering file names where none are expected.
func noFilesByDefault(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		noFilesByDefault(sub)
	}
	if cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 && !cmd.HasSubCommands() {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if _, ok := cmd.GetFlagCompletionFunc(f.Name); !ok && len(f.Annotations) == 0 && f.Value.Type() != "bool" {
			complete(cmd, f.Name, cobra.NoFileCompletions)
		}
	})
}

// complete sets the completion of a flag's value.
func complete(cmd *cobra.Command, flag string, how completion) {
	if err := cmd.RegisterFlagCompletionFunc(flag, how); err != nil {
		panic(err) // unknown flag, or set twice: any test finds that
	}
}

// rooms completes the names of configured rooms.
func (g *globals) rooms(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return text.Names(g.completed().Rooms, func(r config.Room) string { return r.Name + "\tbot " + r.Bot }), cobra.ShellCompDirectiveNoFileComp
}

// people completes the addresses that the configuration names.
func (g *globals) people(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var emails []string
	for _, p := range g.completed().People {
		if p.Email != "" {
			emails = append(emails, p.Email)
		}
	}
	return emails, cobra.ShellCompDirectiveNoFileComp
}

// completed returns the configuration for completion; an empty one if it is missing or faulty.
func (g *globals) completed() *config.Config {
	if g.file() != "" && g.file() != "-" {
		if cfg, err := config.Read(g.file(), config.Options{Env: os.Getenv, Elsewhere: true}); err == nil {
			return cfg
		}
	}
	return &config.Config{}
}

// first completes only the first argument.
func first(how completion) completion {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return how(cmd, args, word)
	}
}

// payloads completes built-in samples if the word can be one, else files.
func payloads(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	if word == "" || !strings.HasPrefix(word, sample) && !strings.HasPrefix(sample, word) {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(render.Samples())) {
		names = append(names, sample+name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

const sample = "sample:"

// ids completes ids that a running relay lists, except those already given.
func (a *adminFlags) ids(list func(ctx context.Context, client admin.Client) []string) completion {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		client, err := a.find(func() (*config.Config, error) {
			return config.Read(a.file(), config.Options{Env: os.Getenv, Elsewhere: true})
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(context.Background(), completionTime) // cobra gives no context for completion
		defer cancel()
		ids := slices.DeleteFunc(list(ctx, client), func(line string) bool {
			id, _, _ := strings.Cut(line, "\t")
			return slices.Contains(args, id)
		})
		return ids, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// maxIDs bounds how many ids a shell offers.
const maxIDs = 100

func deadLetterIDs(ctx context.Context, client admin.Client) (ids []string) {
	list, err := client.DeadLetters(ctx, "", maxIDs)
	if err != nil {
		return nil
	}
	for _, d := range list.DeadLetters {
		ids = append(ids, d.ID+"\t"+text.Line(d.About))
	}
	return ids
}

func setAsideIDs(ctx context.Context, client admin.Client) (ids []string) {
	list, err := client.SetAside(ctx, maxIDs)
	if err != nil {
		return nil
	}
	for _, e := range list.Entries {
		ids = append(ids, e.ID+"\t"+text.Line(e.Reason))
	}
	return ids
}

// versions completes the versions of Zabbix that can be simulated.
func versions(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return zabbixsim.Versions, cobra.ShellCompDirectiveNoFileComp
}

// breakdowns completes the faults of a simulated Zabbix.
func breakdowns(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for name, does := range zabbixsim.Breakdowns() {
		if kind, _, argument := strings.Cut(name, ":"); argument && strings.ToUpper(name[len(kind):]) == name[len(kind):] {
			name = kind + ":" // the user fills in METHOD, ID or DURATION
		}
		names = append(names, name+"\t"+does)
	}
	slices.Sort(names)
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
