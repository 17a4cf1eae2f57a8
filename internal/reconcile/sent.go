package reconcile

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// sent says of problems whether Zabbix made a message for the relay about them: it makes none of those that its action or the user's media
// leave out, or whose escalation step isn't due yet.
type sent struct {
	known bool // Zabbix shows it; otherwise any problem may have one
	by    map[int64]delivery
}

// delivery is what became of the messages about a problem.
type delivery int

const (
	none        delivery = iota // there is no message
	underWay                    // Zabbix sends it, or has sent it
	undelivered                 // Zabbix gave up on all of them
)

const (
	// maxControls is how many problems that came by message show whether Zabbix shows its messages, controlsFrom from how many known ones
	// they are chosen.
	maxControls, controlsFrom = 5, 300
	// maxUnsent is how many problems without a message a full round asks about again.
	maxUnsent = 5000
)

// judgeSent judges the alerts of problems. controls are problems that came by message: if Zabbix doesn't show an alert of most of them, its
// messages to the relay can't be seen by the relay's user.
func judgeSent(alerts []zabbix.Alert, controls []int64) sent {
	ours, recipients := mediaTypes(alerts, controls), map[string]bool{}
	for _, a := range alerts {
		if ours[a.MediaType] {
			recipients[a.User] = true
		}
	}
	s := sent{by: map[int64]delivery{}}
	for _, a := range alerts {
		switch ours := ours[a.MediaType] || a.MediaType == "" && recipients[a.User]; {
		case ours && !a.Failed:
			s.by[a.EventID] = underWay
		case ours && s.by[a.EventID] == none:
			s.by[a.EventID] = undelivered
		}
	}
	shown := 0
	for _, id := range controls {
		if s.by[id] != none {
			shown++
		}
	}
	s.known = 2*shown > len(controls)
	return s
}

// mediaTypes returns the ids of the media types whose messages reach the relay: those with its name. If all were renamed, it is those by
// which messages about most of the controls were sent; a colleague's may be among them.
func mediaTypes(alerts []zabbix.Alert, controls []int64) map[string]bool {
	ours, events := map[string]bool{}, map[string]map[int64]bool{}
	for _, a := range alerts {
		if a.Ours {
			ours[a.MediaType] = true
		}
		if a.MediaType != "" && slices.Contains(controls, a.EventID) {
			if events[a.MediaType] == nil {
				events[a.MediaType] = map[int64]bool{}
			}
			events[a.MediaType][a.EventID] = true
		}
	}
	if len(ours) > 0 {
		return ours
	}
	for id, of := range events {
		ours[id] = 2*len(of) > len(controls)
	}
	return ours
}

// leftOut reports whether Zabbix has no message for the relay about a problem.
func (s sent) leftOut(id int64) bool { return s.known && s.by[id] == none }

// askSent asks Zabbix whether it made messages about problems.
func (w *sweep) askSent(ctx context.Context, ids []int64) (sent, error) {
	if len(ids) == 0 {
		return sent{}, nil
	}
	controls, err := w.controls(ctx)
	if err != nil || len(controls) == 0 {
		return sent{}, err
	}
	alerts, known, err := w.Alerts(ctx, slices.Concat(controls, ids))
	w.mu.Lock()
	compared := w.compared
	w.mu.Unlock()
	switch {
	case err != nil && w.noAlerts.IsZero():
		w.noAlerts = time.Now()
		return sent{}, err
	case err != nil && compared.Sub(w.noAlerts) < maxNoAlerts:
		return sent{}, err
	case err != nil || !known:
		return sent{}, nil
	}
	w.noAlerts = time.Time{}
	return judgeSent(alerts, controls), nil
}

// maxNoAlerts is how long a Zabbix that answers otherwise may fail to list alerts before the relay does without them.
const maxNoAlerts = 3 * time.Minute

// controls returns the newest problems that came by message.
func (w *sweep) controls(ctx context.Context) ([]int64, error) {
	known, err := w.opts.Store.FindProblems(ctx, store.Filter{Source: w.name, Limit: controlsFrom})
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, p := range known {
		if id, err := strconv.ParseInt(p.Key.EventID, 10, 64); err == nil && p.Origin == alert.OriginTrigger && p.CameByMessage() && !p.Gone {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b int64) int { return cmp.Compare(b, a) })
	return ids[:min(maxControls, len(ids))], nil
}

// lookAgain looks again at problems that are known without being posted, since Zabbix had made no message about them: a later step of an
// escalation makes one. If Zabbix gave up on it, or it isn't there by the next full round, the problem is posted.
func (w *sweep) lookAgain(ctx context.Context, now time.Time) error {
	quiet, err := w.opts.Store.FindProblems(ctx, store.Filter{Source: w.name, Open: true, Unposted: true, Limit: maxUnsent})
	if err != nil {
		return err
	}
	var ids []int64
	for _, p := range quiet {
		id, err := strconv.ParseInt(p.Key.EventID, 10, 64)
		if err == nil && p.Origin == alert.OriginTrigger && !p.Reported() && p.OpenedAt.After(w.since) && now.Sub(p.OpenedAt) <= w.current().MaxAge {
			ids = append(ids, id)
		}
	}
	made, err := w.askSent(ctx, ids)
	if err != nil {
		w.opts.Log.Debug("cannot find out which messages Zabbix made: asking again in the next full round", "source", w.name, "error", err)
		return nil
	}
	late, lookups, leftOut := map[int64]bool{}, []Lookup(nil), 0
	for _, id := range ids {
		switch {
		case !made.known || made.by[id] == none:
			leftOut++
		case made.by[id] == undelivered || w.late[id]:
			lookups = append(lookups, Lookup{Key: w.key(id), Found: alert.FoundProblem})
		default:
			late[id] = true
		}
	}
	w.late = late
	w.opts.Metrics.LeftOut.WithLabelValues(w.name).Set(float64(leftOut))
	w.opts.Inquirer.LookUp(lookups)
	return nil
}
