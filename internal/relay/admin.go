package relay

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// admin is the second listener's handler: what operators and probes ask.
func (r *Relay) admin(gatherer prometheus.Gatherer, api *adminAPI) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/", api.handler())
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "alive") })
	mux.Handle("GET /readyz", &readiness{draining: r.draining.Load, ping: r.store.Ping, log: r.log})
	return mux
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // the prober went away: nothing to do
}

// drainTime is how long requests in flight may take once the relay stops. A connection
// that was opened and has said nothing yet, as clients keep in reserve, counts as in
// flight for Shutdown until it is five to six seconds old.
const drainTime = 8 * time.Second

// serveHTTP serves until ctx ends; then it takes no more connections and lets
// the requests in flight finish.
func serveHTTP(ctx context.Context, server *http.Server, l net.Listener) error {
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
