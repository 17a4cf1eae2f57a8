package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nms-alert-relay/internal/text"
)

// want is a check of a command's arguments: there must be as many as names
// says, where a name that ends in "..." stands for one or more.
func want(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		last := len(names) - 1
		switch {
		case len(names) == 0 && len(args) > 0:
			return fmt.Errorf("%s takes no argument, and got %q", cmd.Name(), args[0])
		case len(args) < len(names):
			return fmt.Errorf("%s wants %s, and got %d of %d", cmd.Name(), strings.Join(names, " "), len(args), len(names))
		case len(args) > len(names) && !strings.HasSuffix(names[last], "..."):
			return fmt.Errorf("%s wants %s, and got %q besides (what has spaces needs quotes)", cmd.Name(), strings.Join(names, " "), args[len(names)])
		}
		return nil
	}
}

// group makes cmd one that only has subcommands: alone it prints its help, and
// a word that is no subcommand is a wrong command line.
func group(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return unknownCommand(cmd, args[0])
	}
}

func unknownCommand(cmd *cobra.Command, word string) error {
	return fmt.Errorf("unknown command %q for %q%s", word, cmd.CommandPath(), didYouMean(word, "", text.Names(subcommands(cmd), (*cobra.Command).Name)))
}

// subcommands lists those that help shows.
func subcommands(cmd *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(cmd.Commands()), func(c *cobra.Command) bool { return !c.IsAvailableCommand() })
}

func didYouMean(word, prefix string, names []string) string {
	if near := text.Nearest(word, names); near != "" {
		return " (did you mean " + prefix + near + "?)"
	}
	return ""
}

var unknownFlag = regexp.MustCompile(`^unknown flag: --(.+)$`)

// flagError adds to what pflag says of an unknown flag the one that was meant.
func flagError(cmd *cobra.Command, err error) error {
	match := unknownFlag.FindStringSubmatch(err.Error())
	if match == nil {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return errors.New(err.Error() + didYouMean(match[1], "--", names))
}

// format is the value of --output.
type format string

const (
	formatText format = "text"
	formatJSON format = "json"
)

func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "text|json" }

func (f *format) Set(text string) error {
	switch format(text) {
	case formatText, formatJSON:
		*f = format(text)
		return nil
	}
	return errors.New("want text or json")
}
