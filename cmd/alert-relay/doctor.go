package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nms-alert-relay/internal/build"
	"nms-alert-relay/internal/client"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/doctor"
	"nms-alert-relay/internal/store/sqlite"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/vault"
	"nms-alert-relay/internal/watch"
)

// doctorFlags are the flags of doctor.
type doctorFlags struct {
	room, backups, source, tokenFile string
	noStore                          bool
}

func newDoctor(g *globals) *cobra.Command {
	a := adminFlags{globals: g}
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check configuration, files, store, Webex and Zabbix, and say what to do",
		Long: `Check everything that the relay depends on: configuration, files and their modes, the store, the
running relay, each bot with its rooms and webhooks, the public URL, and each Zabbix with the relay's
token, rights, media type and action; besides clocks and certificates. Prints one line for each
check: ok, warning or failure, what it means, and what to do.

Nothing is changed. With --room, a test message is posted in that room and deleted at once.

Run it on the relay's own host, as the relay's user or as root. With least rights the relay's token
may not read media type and action in Zabbix: for these checks, give a Super admin's API token in
--token-file or ALERT_RELAY_SETUP_TOKEN, which isn't stored.

The exit code is 1 if there is a failure; warnings don't count.`,
		Example: `  alert-relay doctor --config /etc/alert-relay/config.yaml
  alert-relay doctor -c config.yaml --token-file admin-token --backups /var/backups/alert-relay
  alert-relay doctor -c config.yaml --room noc`,
		Args: want(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := f.options(cmd, &a)
			if err != nil {
				return err
			}
			report := doctor.NewReport(doctor.Run(cmd.Context(), o))
			err = a.print(cmd, report, report.Write)
			if err == nil && report.Verdict == doctor.Failure {
				return &exitError{}
			}
			return err
		},
	}
	a.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.room, "room", "", "post a test message in this `ROOM`, and delete it")
	flags.StringVar(&f.backups, "backups", "", "`PATH` of the directory with backups, or of a backup: the newest must not be older than two days")
	flags.StringVar(&f.tokenFile, "token-file", "", "`FILE` with the API token of a Super admin in Zabbix (or the token itself in "+envSetupToken+")")
	flags.StringVar(&f.source, "source", "", "`NAME` of the source that the Super admin's token is for, if the configuration has several")
	flags.BoolVar(&f.noStore, "no-store", false, "leave out the store: this isn't the relay's host")
	_ = cmd.MarkFlagFilename("backups") // the flag is defined just above
	_ = cmd.MarkFlagFilename("token-file")
	complete(cmd, "room", g.rooms)
	complete(cmd, "source", g.sources)
	return cmd
}

// options reads the configuration, and says what is to be checked.
func (f doctorFlags) options(cmd *cobra.Command, a *adminFlags) (doctor.Options, error) {
	if err := a.named(cmd); err != nil {
		return doctor.Options{}, err
	}
	o := doctor.Options{Room: f.room, Backups: f.backups, Version: build.Current().Version, Now: time.Now,
		Timeout: doctor.DefaultTimeout, PartTimeout: doctor.DefaultPartTimeout}
	cfg, err := config.Read(a.file(), config.Options{Env: os.Getenv})
	if o.Faults = check(cfg, err).Faults; len(o.Faults) == 0 {
		o.Config = cfg
	}
	local, err := a.local(cmd)
	if err != nil {
		return o, err
	}
	o.StorePath = local.Store
	if !f.noStore {
		o.Store, o.Tokens = inspectStore, inspectTokens
	}
	relay, err := a.find(cmd)
	if err != nil && a.address() != "" {
		return o, err
	}
	o.MustRun = a.address() != ""
	o.Ready = func(ctx context.Context) (string, bool, error) {
		if err != nil {
			return "", false, err
		}
		word, err := client.Probe(ctx, relay, client.Ready)
		return word, !errors.Is(err, client.ErrNoRelay), err
	}
	if o.Config == nil {
		return o, nil
	}
	return o, f.complete(&o)
}

// complete checks the flags that name parts of the configuration.
func (f doctorFlags) complete(o *doctor.Options) (err error) {
	if _, known := o.Config.Room(f.room); f.room != "" && !known {
		names := text.Names(o.Config.Rooms, func(r config.Room) string { return r.Name })
		return fmt.Errorf("unknown room %q%s", f.room, didYouMean(f.room, "", names))
	}
	switch {
	case f.tokenFile != "":
		if o.AdminToken, err = readSecret("token-file", f.tokenFile); err != nil {
			return err
		}
	default:
		o.AdminToken = strings.TrimSpace(os.Getenv(envSetupToken))
	}
	if o.AdminToken == "" && f.source == "" {
		return nil
	}
	source, err := chosenSource(o.Config, f.source)
	o.AdminSource = source.Name
	return err
}

// inspectStore reads the store for doctor.
func inspectStore(ctx context.Context, path string) (doctor.Store, error) {
	i, err := sqlite.Inspect(ctx, path)
	s := doctor.Store{Bytes: i.Bytes, Mode: i.Mode, Schema: i.Schema, Newest: i.Newest, Damage: i.Damage, Unchecked: i.Unchecked, Pending: i.Pending,
		Troubles: watch.ReadStored(i.Values), Canary: i.Values[vault.CanaryValue]}
	s.Free, s.FreeKnown = sqlite.FreeBytes(filepath.Dir(path))
	return s, err
}

// inspectTokens reads people's tokens for doctor. A store that isn't there yet has none.
func inspectTokens(ctx context.Context, path string) (list []doctor.PersonToken, err error) {
	found, err := sqlite.InspectTokens(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, t := range found {
		if t.Confirmed {
			list = append(list, doctor.PersonToken{Person: t.Email, Source: t.Source, User: t.Username, Sealed: t.Sealed, Place: t.Place()})
		}
	}
	return list, err
}
