package main

import (
	"github.com/spf13/cobra"

	"nms-alert-relay/internal/build"
	"nms-alert-relay/internal/simulator/demo"
)

func newDemo() *cobra.Command {
	o := demo.Options{Version: build.Current().Version}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: the relay between a simulated Zabbix and a simulated Webex",
		Long: `Run the real relay between a simulated Zabbix and a simulated Webex, all in this process,
and show both on one page: rooms as in a chat client, beside the problems in Zabbix. It
needs no account and leaves nothing behind.`,
		Example: `  alert-relay demo
  alert-relay demo --zabbix 6.0.14 --listen 127.0.0.1:0    # another version, any free port
  alert-relay demo --pace 0                                # no story: open problems yourself`,
		Args: want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out, o.Log = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return ran(demo.Run(cmd.Context(), o))
		},
	}
	cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:8088", "loopback `ADDR` where the page is shown")
	cmd.Flags().StringVar(&o.Zabbix, "zabbix", "7.0.22", "`VERSION` of Zabbix to simulate, 6.0.x to 8.0.x")
	cmd.Flags().DurationVar(&o.Pace, "pace", demo.Pace, "`DURATION` of the pause between two events of the story; 0 for no story")
	cmd.Flags().BoolVarP(&o.Verbose, "verbose", "v", false, "show the relay's log")
	complete(cmd, "zabbix", versions)
	return cmd
}
