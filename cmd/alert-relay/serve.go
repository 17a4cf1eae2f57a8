package main

import (
	"os"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/build"
	"nms-alert-relay/internal/relay"
	"nms-alert-relay/internal/systemd"
)

func newServe(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the relay",
		Long: `Run the relay until SIGTERM or SIGINT: then it stops accepting requests, lets calls in flight
finish, and closes its store (exit code 0). A second signal ends it immediately, without losing
anything. Logs go to standard error; see 'log' in the configuration.`,
		Example: "  alert-relay serve --config /etc/alert-relay/config.yaml",
		Args:    want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := g.load(cmd)
			if err != nil {
				return err
			}
			log := logger(cmd.ErrOrStderr(), cfg.Log.Level, cfg.Log.Format)
			r, err := relay.New(cmd.Context(), relay.Options{Config: cfg, Env: os.Getenv, Version: build.Current().Version, Log: log, Manager: systemd.New(log)})
			if err != nil {
				return failed(err)
			}
			return failed(r.Run(cmd.Context()))
		},
	}
	g.configFlag(cmd)
	return cmd
}
