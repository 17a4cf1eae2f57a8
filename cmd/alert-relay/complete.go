package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
func (g *globals) rooms(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return text.Names(g.completed(cmd).Rooms, func(r config.Room) string { return r.Name + "\tbot " + r.Bot }), cobra.ShellCompDirectiveNoFileComp
}

// sources completes the names of configured sources.
func (g *globals) sources(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return text.Names(g.completed(cmd).Zabbix, func(s config.Source) string { return s.Name }), cobra.ShellCompDirectiveNoFileComp
}

// people completes the addresses that the configuration names.
func (g *globals) people(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var emails []string
	for _, p := range g.completed(cmd).People {
		if p.Email != "" {
			emails = append(emails, p.Email)
		}
	}
	return emails, cobra.ShellCompDirectiveNoFileComp
}

// completed returns the configuration for completion; an empty one if it is missing or faulty.
func (g *globals) completed(cmd *cobra.Command) *config.Config {
	if cfg, err := g.elsewhere(cmd); err == nil {
		return cfg
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

// complete completes ids that a running relay lists, except those already given.
func (a *adminFlags) complete(ask lister) completion {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		relay, err := a.relay(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(context.Background(), completionTime) // cobra gives no context for completion
		defer cancel()
		var ids []string
		_, t, err := ask(ctx, relay, maxIDs)
		for _, row := range t.rows {
			if err == nil && !slices.Contains(args, row[0]) {
				ids = append(ids, row[0]+"\t"+text.Line(row[t.about]))
			}
		}
		return ids, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// maxIDs bounds how many ids a shell offers.
const maxIDs = 100

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
