package relay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"nms-alert-relay/internal/admin"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/receiver"
)

// listen opens the listeners that weren't given.
func (r *Relay) listen(cfg config.Server) error {
	for _, l := range []struct {
		to   *net.Listener
		addr string
		key  string
	}{{&r.public, cfg.Listen, "server.listen"}, {&r.private, cfg.AdminListen, "server.admin_listen"}} {
		if *l.to != nil {
			continue
		}
		listener, err := net.Listen("tcp", l.addr)
		if err != nil {
			hint := "is another relay running?"
			if errors.Is(err, fs.ErrPermission) {
				hint = "a port below 1024 requires the capability CAP_NET_BIND_SERVICE"
			}
			return fmt.Errorf("%s: %w (%s)", l.key, err, hint)
		}
		*l.to = listener
	}
	r.public, r.private = receiver.Limit(r.public, receiver.MaxConnections), receiver.Limit(r.private, receiver.MaxAdminConnections)
	return nil
}

// The paths of probes.
const (
	pathHealthy = "/healthz"
	pathReady   = "/readyz"
)

// adminHandler serves the admin listener: metrics, probes and the operators' API.
func (r *Relay) adminHandler(gatherer prometheus.Gatherer, api *admin.API) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/", api.Handler())
	mux.Handle("/-/", api.Handler())
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{EnableOpenMetrics: r.tracer != nil}))
	mux.HandleFunc("GET "+pathHealthy, func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "alive") })
	mux.Handle("GET "+pathReady, &readiness{draining: r.draining.Load, ping: r.store.Ping, log: r.log})
	return admin.Guard(mux, func() admin.Access { return r.live.Load().access }, r.log, pathHealthy, pathReady)
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // the client went away: nothing to do
}

// drainTime bounds how long requests in flight may take once the relay stops. It is more than the 5 to 6 seconds for which
// http.Server.Shutdown takes a new, unused connection for a request in flight.
const drainTime = 8 * time.Second

// serving returns the part that serves until its context ends; then it accepts no more connections and lets the requests in flight
// finish.
func serving(server *http.Server, l net.Listener) func(context.Context) error {
	return func(ctx context.Context) error {
		failed := make(chan error, 1)
		go func() { failed <- server.Serve(l) }()
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
		}
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		err := server.Shutdown(drain)
		if err != nil {
			err = errors.Join(err, server.Close())
		}
		<-failed
		return err
	}
}
