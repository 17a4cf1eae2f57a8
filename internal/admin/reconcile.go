package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"nms-alert-relay/internal/reconcile"
	"nms-alert-relay/internal/store"
)

// Reconciler compares Zabbix with the store: reconcile.Sweeps.
type Reconciler interface {
	Sources() []string
	CloseRemoved(ctx context.Context, source, by string) (reconcile.Report, error)
	Now(ctx context.Context, source string, accept reconcile.Acceptance) (reconcile.Report, error)
}

// Sweep selects what is compared.
type Sweep struct {
	Source string `json:"source,omitempty"` // "" for all with an API token
	// AcceptGone closes all problems that are gone from Zabbix, however many.
	AcceptGone bool `json:"accept_gone,omitempty"`
	// Replaced: with AcceptGone, also those that Zabbix may only not show: its database was replaced.
	Replaced bool `json:"replaced,omitempty"`
}

// Swept is what was found.
type Swept struct {
	Sources []reconcile.Report `json:"sources"`
}

func (a *API) reconcile(r *http.Request) (any, error) {
	var c Sweep
	if err := decode(r, &c, `{"source": "…"}`); err != nil {
		return nil, err
	}
	names := a.Reconcile.Sources()
	switch {
	case slices.Contains(names, c.Source):
		names = []string{c.Source}
	case c.Source != "":
		report, err := reconcile.Report{}, store.ErrNotFound
		if c.AcceptGone {
			report, err = a.Reconcile.CloseRemoved(r.Context(), c.Source, r.RemoteAddr)
		}
		if errors.Is(err, store.ErrNotFound) {
			return nil, &refusal{http.StatusNotFound, fmt.Sprintf("no source %q with an API token", c.Source),
				"sources: " + strings.Join(names, ", ") + "; --accept-gone closes the problems of one that was removed"}
		}
		return Swept{Sources: []reconcile.Report{report}}, err
	case len(names) == 0:
		return nil, &refusal{http.StatusConflict, "no source has an API token", "give one in zabbix[].api_token_file"}
	}
	swept := Swept{Sources: make([]reconcile.Report, len(names))}
	ctx, cancel := context.WithTimeout(r.Context(), allTime)
	defer cancel()
	var all errgroup.Group
	for i, name := range names {
		all.Go(func() error {
			report, err := a.Reconcile.Now(ctx, name, reconcile.Acceptance{Gone: c.AcceptGone, Replaced: c.Replaced, By: r.RemoteAddr})
			switch {
			case errors.Is(err, context.DeadlineExceeded):
				report.Error = "it takes longer, and goes on"
			case err != nil:
				report.Error = err.Error()
			}
			report.Source = name
			swept.Sources[i] = report
			return nil
		})
	}
	return swept, all.Wait()
}
