package main

import (
	"errors"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/simulator/demo"
	"nms-alert-relay/internal/simulator/webexsim"
)

func newSimulate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Run a simulated Webex or Zabbix on its own",
		Long:  "Run a simulated Webex or Zabbix on a loopback address, to try a relay without an account.",
		Example: `  alert-relay simulate webex
  alert-relay simulate zabbix --relay http://127.0.0.1:8080/v1/zabbix/events --secret-file secret`,
	}
	cmd.AddCommand(newSimulateWebex(), newSimulateZabbix())
	return cmd
}

func newSimulateWebex() *cobra.Command {
	var o demo.WebexOptions
	cmd := &cobra.Command{
		Use:   "webex",
		Short: "Run a simulated Webex",
		Long: `Run a simulated Webex: its REST API under /v1, as strict as the real one, with a bot, some
people and rooms. Control what people write and press under /sim/ (GET /sim/state shows
everything).`,
		Example: `  alert-relay simulate webex
  alert-relay simulate webex --listen 127.0.0.1:0 --rate 5    # any free port; 429 above five messages a second
  alert-relay simulate webex --token AA_BB_6f1c2d3e-0000-4000-8000-000000000001    # a token that Cisco's SDK accepts`,
		Args: want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out = cmd.OutOrStdout()
			return ran(demo.RunWebex(cmd.Context(), o))
		},
	}
	cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:9001", "loopback `ADDR` to listen on")
	cmd.Flags().Float64Var(&o.Rate, "rate", 0, "answer 429 above `N` messages a second in a room; 0 for no limit")
	cmd.Flags().Float64Var(&o.AccountRate, "account-rate", 0, "answer 429 above `N` requests a second of an account; 0 for no limit")
	cmd.Flags().StringVar(&o.Token, "token", webexsim.DefaultBotToken, "the bot's `TOKEN`; Cisco's SDK accepts only the form A_B_UUID")
	return cmd
}

func newSimulateZabbix() *cobra.Command {
	var o demo.ZabbixOptions
	cmd := &cobra.Command{
		Use:   "zabbix",
		Short: "Run a simulated Zabbix",
		Long: `Run a simulated Zabbix: the JSON-RPC API of the chosen version, and problems that open, change
and resolve, sent to a relay as the media type would send them. --break makes it fail from the
start. While it runs, POST /sim/break?what=FAULT and POST /sim/mend start and end failures, and
POST /sim/delete?id=ID removes a problem silently. POST /sim/maintenance?id=ID&for=1h puts an open
problem into a maintenance, silently too; for=0s ends it.`,
		Example: `  alert-relay simulate zabbix
  alert-relay simulate zabbix --relay http://127.0.0.1:8080/v1/zabbix/events --secret-file secret --storm 500`,
		Args: want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out = cmd.OutOrStdout()
			return ran(demo.RunZabbix(cmd.Context(), o))
		},
	}
	cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:9002", "loopback `ADDR` to listen on")
	cmd.Flags().StringVar(&o.Version, "version", "7.0.22", "`VERSION` to simulate, 6.0.x to 8.0.x")
	cmd.Flags().StringVar(&o.Relay, "relay", "", "`URL` to send events to: http://…/v1/zabbix/events on a loopback address")
	cmd.Flags().StringVar(&o.SecretFile, "secret-file", "", "`FILE` with the source's secret, which signs events")
	cmd.Flags().IntVar(&o.Storm, "storm", 0, "start with `N` problems at once, at most 20000")
	cmd.Flags().StringArrayVar(&o.Break, "break", nil, "`FAULT` to simulate, such as database-away, page-502, forbid:trigger.get or text:cut; an unknown one lists all; repeatable")
	cmd.Flags().DurationVar(&o.Pace, "pace", demo.Pace, "`DURATION` of the pause between two events of the story; 0 for no story")
	_ = cmd.MarkFlagFilename("secret-file") // the flag is defined just above
	complete(cmd, "version", versions)
	complete(cmd, "break", breakdowns)
	return cmd
}

// ran makes an invalid flag value of a simulation a usage error.
func ran(err error) error {
	if wrong := (*demo.WrongOption)(nil); errors.As(err, &wrong) {
		return err
	}
	return failed(err)
}
