package relay

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nms-alert-relay/internal/admin"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/text"
)

// errStopping is the error of a reload while the relay stops.
var errStopping = &admin.Rejected{What: "the relay is stopping", Hint: "it reads its configuration when it starts again"}

// errNoFile is the error of a reload without a file.
var errNoFile = &admin.Rejected{What: "this relay has no configuration file"}

// Reload reads the configuration again and applies it, all or nothing: an error leaves everything as it was. by says who asked, for
// the log.
func (r *Relay) Reload(_ context.Context, by string) (admin.Reloaded, error) {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	if r.read == nil {
		return admin.Reloaded{}, errNoFile
	}
	cfg, seen, err := r.readFiles()
	return r.reload(cfg, seen, err, by)
}

// reloadForAdmin is Reload for the admin API.
func (r *Relay) reloadForAdmin(ctx context.Context, by string) (admin.Reloaded, error) {
	done, err := r.Reload(ctx, "admin API, "+by)
	if err == nil || errors.As(err, new(*admin.Rejected)) {
		return done, err
	}
	return done, &admin.Rejected{What: "the configuration has faults: the running one stays in use", Hint: "'alert-relay check' finds them too", Faults: faultsOf(err)}
}

// faultsOf returns the faults of a configuration, one by one.
func faultsOf(err error) []string {
	var faults config.Faults
	if errors.As(err, &faults) {
		return text.Names(faults, config.Fault.Error)
	}
	return []string{err.Error()}
}

// reload applies a configuration that was read, or couldn't be. The caller holds reloading.
func (r *Relay) reload(cfg *config.Config, seen files, err error, by string) (admin.Reloaded, error) {
	if r.draining.Load() {
		return admin.Reloaded{}, errStopping
	}
	r.manager.Reloading()
	defer r.manager.Ready()
	r.files = seen
	var next *snapshot
	if err == nil {
		next, err = r.snapshot(cfg)
	}
	if err != nil {
		r.metrics.config.failed()
		for _, fault := range faultsOf(err) {
			r.log.Error("configuration not reloaded: the running one stays in use", "by", by, "fault", fault)
		}
		return admin.Reloaded{}, err
	}
	before := r.live.Load()
	done := admin.Reloaded{Hash: seen.hash(cfg.File), Changed: []string{}, RestartNeeded: r.keep(before, next), Warnings: text.Names(cfg.Warnings, config.Fault.Error)}
	for _, c := range config.Diff(before.cfg, cfg) {
		kept := func(key string) bool { return c.Key == key || strings.HasPrefix(c.Key, key+".") }
		if !c.Restart && !slices.ContainsFunc(done.RestartNeeded, kept) {
			done.Changed = append(done.Changed, c.Key)
		}
	}
	r.apply(next)
	r.announce()
	r.metrics.config.loaded(done.Hash, len(done.RestartNeeded) > 0, time.Now())
	for _, w := range done.Warnings {
		r.log.Warn(w)
	}
	r.log.Info("configuration reloaded", "by", by, "changed", done.Changed, "hash", done.Hash)
	if len(done.RestartNeeded) > 0 {
		r.log.Warn("these keys keep their old value until the relay is restarted", "keys", done.RestartNeeded)
	}
	return done, nil
}

// keep gives the next snapshot what a running relay can't change, and returns the keys concerned.
func (r *Relay) keep(before, next *snapshot) []string {
	keys := []string{}
	for _, c := range config.Diff(r.started, next.cfg) {
		if c.Restart {
			keys = append(keys, c.Key)
		}
	}
	if (before.publicTLS == nil) != (next.publicTLS == nil) {
		next.publicTLS = before.publicTLS
		keys = append(keys, "server.tls")
	}
	if (before.adminTLS == nil) != (next.adminTLS == nil) {
		next.adminTLS = before.adminTLS
		keys = append(keys, "server.admin_tls")
	}
	// Who may use the admin listener depends on its address: the access of another address could open the present one to everybody.
	if next.cfg.Server.AdminListen != r.started.Server.AdminListen || slices.Contains(keys, "server.admin_tls") {
		authorities := next.access.Authorities
		next.access = before.access
		if authorities != nil && next.access.Authorities != nil {
			next.access.Authorities = authorities // one that was removed has no access, whatever else waits for a restart
		}
		for _, c := range config.Diff(before.cfg, next.cfg) {
			if (c.Key == "server.admin_token_file" || c.Key == "server.admin_insecure") && !slices.Contains(keys, c.Key) {
				keys = append(keys, c.Key)
			}
		}
	}
	return keys
}

// apply makes a snapshot the current one. Nothing here can fail. Bots and sources that are new come first and those that are gone
// leave last, so that the rooms of either snapshot always have their bot.
func (r *Relay) apply(next *snapshot) {
	r.metrics.add(next.cfg)
	gone := r.clients.zabbix
	r.clients = r.connected(next, r.clients)
	r.parts.inquirer.SetSources(each(r.clients.zabbix, observer))
	r.parts.delivery.SetBots(r.clients.delivering(next.cfg), next.cfg.Delivery.Workers, func() {
		r.parts.duty.Set(next.cfg, func() { r.live.use(next) })
	})
	r.parts.listener.SetBots(r.clients.hearing(next.cfg, r.parts.delivery))
	if err := r.parts.vault.Use(context.Background(), next.cfg.Encryption.Keyring()); err != nil {
		r.log.Error("cannot use the encryption keys of the new configuration: those before stay in use", "error", err)
	}
	r.parts.executor.SetSources(each(r.clients.zabbix, acting))
	if err := r.parts.executor.SetReports(context.Background(), next.cfg.Rooms, time.Now()); err != nil {
		r.log.Error("cannot set the reports of the new configuration's rooms: the next reload or start sets them", "error", err)
	}
	r.parts.sweeps.SetSources(each(r.clients.zabbix, lister), sweepSettings(next.cfg))
	r.parts.speaking.SetSources(each(r.clients.zabbix, shows), watchInterval(next.cfg))
	r.parts.heartbeats.Set(heartbeatsOf(next.cfg))
	r.parts.canary.Set(canaryOf(next.cfg))
	r.intake.Store(r.receiver(next.cfg))
	for source := range gone {
		if r.clients.zabbix[source] == nil {
			r.metrics.zabbix.Remove(source)
		}
	}
	if r.level != nil {
		_ = r.level.UnmarshalText([]byte(next.cfg.Log.Level)) // validated by config
	}
}

// files are the files of a configuration with a digest of each.
type files map[string][sha256.Size]byte

func (f files) add(name string, content []byte) {
	// A file that can't be read differs from an empty one.
	f[name] = sha256.Sum256(fmt.Appendf(nil, "%t %s", content != nil, content))
}

// hash identifies a file by its content.
func (f files) hash(name string) string {
	sum := f[name]
	return hex.EncodeToString(sum[:6])
}

// configMetrics say which configuration runs, and whether the last reload worked.
type configMetrics struct {
	info                        *prometheus.GaugeVec
	successful, at, needRestart prometheus.Gauge
}

func newConfigMetrics(reg prometheus.Registerer) *configMetrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &configMetrics{
		info:        prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "alert_relay_config_info", Help: "1. The label identifies the content of the configuration file in use."}, []string{"hash"}),
		successful:  gauge("alert_relay_config_last_reload_successful", "1 if the last attempt to load the configuration succeeded, 0 if an older one is still in use."),
		at:          gauge("alert_relay_config_last_reload_success_timestamp_seconds", "When the configuration in use was loaded."),
		needRestart: gauge("alert_relay_config_restart_needed", "1 if the configuration file has changes that count only after a restart."),
	}
	reg.MustRegister(m.info, m.successful, m.at, m.needRestart)
	return m
}

func (m *configMetrics) failed() { m.successful.Set(0) }

func (m *configMetrics) loaded(hash string, restart bool, at time.Time) {
	m.info.Reset()
	m.info.WithLabelValues(hash).Set(1)
	m.successful.Set(1)
	m.at.Set(float64(at.UnixNano()) / 1e9)
	m.needRestart.Set(0)
	if restart {
		m.needRestart.Set(1)
	}
}
