package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/spf13/cobra"

	"nms-alert-relay/internal/build"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/relay"
	"nms-alert-relay/internal/systemd"
)

func newServe(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the relay",
		Long: `Run the relay until SIGTERM or SIGINT: then it stops accepting requests, lets calls in flight
finish, and closes its store (exit code 0). A second signal ends it immediately, without losing
anything. Logs go to standard error; see 'log' in the configuration.

The configuration, its secrets, certificates and templates are read again when they change, on
SIGHUP, and on 'alert-relay reload'. A faulty configuration changes nothing.`,
		Example: "  alert-relay serve --config /etc/alert-relay/config.yaml",
		Args:    want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			reload := make(chan os.Signal, 1)
			signal.Notify(reload, syscall.SIGHUP)
			defer signal.Stop(reload)
			cfg, err := g.load(cmd)
			if err != nil {
				return err
			}
			level := new(slog.LevelVar)
			_ = level.UnmarshalText([]byte(cfg.Log.Level)) // validated by config
			log := logger(cmd.ErrOrStderr(), level, cfg.Log.Format)
			limitMemory(log)
			r, err := relay.New(cmd.Context(), relay.Options{
				Config: cfg, Env: os.Getenv, Version: build.Current().Version, Log: log, Level: level, Manager: systemd.New(log), Signal: reload,
				Read: func(seen func(string, []byte)) (*config.Config, error) {
					return config.Read(cfg.File, config.Options{Env: os.Getenv, Seen: seen})
				},
			})
			if err != nil {
				return failed(err)
			}
			return failed(r.Run(cmd.Context()))
		},
	}
	g.configFlag(cmd)
	return cmd
}

// heapShare is Go's share of the memory that the process may use. SQLite's caches, 64 MiB at most, are outside of Go's heap.
const heapShare = 0.7

// limitMemory makes Go collect garbage earlier near the limit of the container or of MemoryMax, unless GOMEMLIMIT is set.
func limitMemory(log *slog.Logger) {
	if limit, err := memlimit.SetGoMemLimitWithOpts(memlimit.WithRatio(heapShare)); err == nil && limit > 0 {
		log.Info("Go's memory is limited", "bytes", limit)
	}
}
