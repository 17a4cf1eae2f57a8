package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/text"

	"golang.org/x/sync/errgroup"
)

// WebexOptions configure a simulated Webex that runs on its own.
type WebexOptions struct {
	Listen      string
	Rate        float64 // messages a second that a room accepts; 0: no limit
	AccountRate float64 // requests a second that an account may make; 0: no limit
	Token       string  // of the bot; "": webexsim.DefaultBotToken
	Out         io.Writer
}

// RunWebex runs a simulated Webex until ctx ends.
func RunWebex(ctx context.Context, o WebexOptions) error {
	l, err := listen(o.Listen)
	if err != nil {
		return err
	}
	sim := webexsim.NewDefault(webexsim.Options{
		Log:        slog.New(slog.NewTextHandler(o.Out, nil)),
		PerAccount: webexsim.PerSecond(o.AccountRate), PerRoom: webexsim.PerSecond(o.Rate),
	})
	defer sim.Close()
	token := cmp.Or(o.Token, webexsim.DefaultBotToken)
	if err := sim.SetToken(webexsim.DefaultBot, token); err != nil {
		return err
	}
	base := "http://" + l.Addr().String()
	fmt.Fprintf(o.Out, "simulated Webex: api_url %s/v1\n  bot    %s, token %s\n", base, webexsim.DefaultBot, token)
	for _, room := range webexsim.DefaultRooms {
		fmt.Fprintf(o.Out, "  room   %s, id %s\n", room, webexsim.RoomID(room))
	}
	fmt.Fprintf(o.Out, "  state  %s/sim/state\n", base)
	return serve(ctx, l, sim)
}

// ZabbixOptions configure a simulated Zabbix that runs on its own.
type ZabbixOptions struct {
	Listen     string
	Version    string
	Relay      string // URL for events, on a loopback address
	SecretFile string
	Storm      int
	Pace       time.Duration
	Break      []string // faults that are active from the start (zabbixsim.Breakdowns)
	Out        io.Writer
}

// maxStorm bounds ZabbixOptions.Storm.
const maxStorm = 20000

// RunZabbix runs a simulated Zabbix until ctx ends.
func RunZabbix(ctx context.Context, o ZabbixOptions) error {
	if o.Storm < 0 || o.Storm > maxStorm {
		return wrong("--storm %d: expected 0 to %d problems", o.Storm, maxStorm)
	}
	var key string
	if o.Relay != "" {
		u, err := url.Parse(o.Relay)
		if err != nil {
			return wrong("--relay: %w", err)
		}
		if !text.Loopback(u.Host) {
			return wrong("--relay %q: a simulation only calls loopback addresses", o.Relay)
		}
		if o.SecretFile == "" {
			return wrong("--relay requires --secret-file: events are signed with the source's secret")
		}
		if key, err = config.ReadSecret(o.SecretFile); err != nil {
			return fmt.Errorf("--secret-file: %w", err)
		}
	}
	sim, err := zabbixsim.New(zabbixsim.Options{Version: o.Version, Relay: o.Relay, Secret: key, Log: slog.New(slog.NewTextHandler(o.Out, nil))})
	if err != nil {
		return wrong("--version: %w", err) // none of the other options can be wrong
	}
	for _, what := range o.Break {
		if err := sim.Break(what); err != nil {
			return wrong("--break: %w", err)
		}
	}
	l, err := listen(o.Listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "simulated Zabbix %s: url http://%s\n  API token %s\n  of a Super admin, for 'alert-relay setup zabbix': %s\n",
		o.Version, l.Addr(), zabbixsim.RelayToken, zabbixsim.SetupToken)
	sim.Storm(o.Storm)
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error { return sim.Run(ctx) })
	parts.Go(func() error { return serve(ctx, l, sim) })
	if o.Pace > 0 {
		parts.Go(func() error {
			sim.Story(ctx, o.Pace)
			return nil
		})
	}
	return parts.Wait()
}

// serve serves until ctx ends.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	end := context.AfterFunc(ctx, func() { _ = server.Close() }) // a simulation has nothing to drain
	defer end()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
