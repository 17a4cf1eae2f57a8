package main

import (
	"errors"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/simulator/demo"
	webexsim "nms-alert-relay/internal/simulator/webex"
)

func newSimulate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Run a simulated Webex or Zabbix on its own",
		Long:  "Run a simulated neighbour on a loopback address, to try a relay against it without an account.",
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
people and rooms. What people say and press is under /sim/ (GET /sim/state shows all).`,
		Example: `  alert-relay simulate webex
  alert-relay simulate webex --listen 127.0.0.1:0 --rate 5    # any free port; 429 beyond five a second
  alert-relay simulate webex --token AA_BB_6f1c2d3e-0000-4000-8000-000000000001    # a token that Cisco's SDK takes`,
		Args: want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out = cmd.OutOrStdout()
			return ran(demo.RunWebex(cmd.Context(), o))
		},
	}
	cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:9001", "a loopback address")
	cmd.Flags().Float64Var(&o.Rate, "rate", 0, "messages a second that a room takes before it answers 429; 0 for no limit")
	cmd.Flags().Float64Var(&o.AccountRate, "account-rate", 0, "requests a second that an account may make before it is answered 429; 0 for no limit")
	cmd.Flags().StringVar(&o.Token, "token", webexsim.DefaultBotToken, "the bot's token; Cisco's SDK takes only one of three parts, A_B_UUID")
	return cmd
}

func newSimulateZabbix() *cobra.Command {
	var o demo.ZabbixOptions
	cmd := &cobra.Command{
		Use:   "zabbix",
		Short: "Run a simulated Zabbix",
		Long: `Run a simulated Zabbix: its JSON-RPC API in the form of the version asked for, and problems
that open, change and resolve, told to a relay as the media type would. --break makes it fail
from the start; while it runs, POST /sim/break?what=NAME and POST /sim/mend do, and
POST /sim/delete?id=ID removes a problem without a word. POST /sim/maintenance?id=ID&for=1h
puts an open one into a maintenance, also without a word; for=0s ends that.`,
		Example: `  alert-relay simulate zabbix
  alert-relay simulate zabbix --relay http://127.0.0.1:8080/v1/zabbix/events --secret-file secret --storm 500`,
		Args: want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out = cmd.OutOrStdout()
			return ran(demo.RunZabbix(cmd.Context(), o))
		},
	}
	cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:9002", "a loopback address")
	cmd.Flags().StringVar(&o.Version, "version", "7.0.22", "the version that is played, 6.0.x to 8.0.x")
	cmd.Flags().StringVar(&o.Relay, "relay", "", "where events go: http://…/v1/zabbix/events; a loopback address")
	cmd.Flags().StringVar(&o.SecretFile, "secret-file", "", "the source's secret, that signs them")
	cmd.Flags().IntVar(&o.Storm, "storm", 0, "begin with this many problems at once, 20000 at most")
	cmd.Flags().StringArrayVar(&o.Break, "break", nil, "what fails, such as database-away, page-502, forbid:trigger.get or text:cut; a wrong name lists all. Several are possible")
	cmd.Flags().DurationVar(&o.Pace, "pace", demo.Pace, "the pause between two acts of the story; 0 for no story")
	return cmd
}

// ran is how a simulation ended: a flag with a wrong value is a wrong command line.
func ran(err error) error {
	if wrong := (*demo.WrongOption)(nil); errors.As(err, &wrong) {
		return err
	}
	return failed(err)
}
