package main

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/tryout"
)

func newRooms(g *globals) *cobra.Command {
	var tokenFile, apiURL string
	cmd := &cobra.Command{
		Use:   "rooms",
		Short: "List the Webex rooms that the bots are in, with their ids",
		Long: `List every Webex room that the configured bots are in, with the id to use in the configuration,
and every configured room that its bot isn't in (state "missing", exit code 1).

Before you have a configuration, use --token-file to list the rooms of one bot.`,
		Example: `  alert-relay rooms --config config.yaml
  alert-relay rooms --token-file /etc/alert-relay/webex-token`,
		Args: want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case g.file() == "" && tokenFile == "":
				return errors.New("which bot? Use --config FILE (or " + envConfig + "), or --token-file FILE with a bot's token")
			case g.config != "" && tokenFile != "":
				return errors.New("--config and --token-file exclude each other")
			case tokenFile == "" && cmd.Flags().Changed("api-url"):
				return errors.New("--api-url requires --token-file (with a configuration, webex.api_url counts)")
			}
			if err := webAddress("api-url", apiURL); err != nil {
				return err
			}
			var cfg *config.Config
			if tokenFile != "" {
				token, err := readSecret("token-file", tokenFile)
				if err != nil {
					return err
				}
				cfg = tryout.JustBot(apiURL, token)
			} else {
				var err error
				if cfg, err = g.elsewhere(cmd); err != nil {
					return err
				}
			}
			rooms, err := tryout.Rooms(cmd.Context(), cfg)
			if len(rooms) == 0 && err != nil {
				return failed(err)
			}
			if err := errors.Join(err, g.print(cmd, rooms, roomTable(rooms).write)); err != nil {
				return failed(err)
			}
			missing := 0
			for _, r := range rooms {
				if r.State == tryout.RoomMissing {
					missing++
				}
			}
			if missing > 0 {
				return failed(fmt.Errorf("%s missing: add the bot to the space, or correct the id in %s", count(missing, "configured room"), cfg.File))
			}
			return nil
		},
	}
	g.configFlag(cmd)
	g.outputFlag(cmd)
	cmd.Flags().StringVar(&tokenFile, "token-file", "", "`FILE` with a bot's token, instead of --config")
	cmd.Flags().StringVar(&apiURL, "api-url", config.DefaultWebexURL, "`URL` of the Webex API, with --token-file")
	_ = cmd.MarkFlagFilename("token-file") // the flag is defined just above
	return cmd
}

// roomTable is the text form of a list of rooms.
func roomTable(rooms []tryout.ListedRoom) table {
	t := table{head: "NAME\tBOT\tSTATE\tTYPE\tTITLE\tID", total: len(rooms), nothing: "no rooms: add the bot to a space, as you would a person"}
	for _, r := range rooms {
		t.rows = append(t.rows, []string{cmp.Or(r.Name, "-"), r.Bot, r.State, cmp.Or(r.Type, "-"), cmp.Or(text.Line(r.Title), "-"), r.ID})
	}
	return t
}
