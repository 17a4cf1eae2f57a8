package relay

import (
	"path/filepath"

	"nms-alert-relay/internal/client"
)

// announce writes down how the admin listener is reached, for commands on this host. Without it they use the configuration.
func (r *Relay) announce() {
	now := client.Running{Admin: r.AdminAddr()}
	if t := r.live.Load().adminTLS; t != nil {
		now.Certificate = client.Fingerprint(t.Certificates[0].Certificate[0])
	}
	if file, err := filepath.Abs(r.started.File); err == nil && r.started.File != "" {
		now.Config = file
	}
	if now == r.announced {
		return
	}
	r.announced = now
	if err := now.Write(r.started.Store.Path); err != nil {
		r.log.Warn("cannot write beside the store how this relay is reached: commands on this host use the configuration instead", "error", err)
	}
}

// unannounce removes what announce wrote. The store is still locked: another relay can't have replaced it.
func (r *Relay) unannounce() {
	if err := client.Forget(r.started.Store.Path); err != nil {
		r.log.Warn("cannot remove the file beside the store that says how this relay is reached", "error", err)
	}
}
