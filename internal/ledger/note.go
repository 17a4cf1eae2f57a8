package ledger

import (
	"context"
	"log/slog"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/tracing"
)

// note counts and logs the result of an entry.
func (l *Ledger) note(r Result) {
	switch {
	case r.SetAside != "":
		l.opts.Metrics.SetAside.Inc()
		l.opts.Log.Error("journal entry set aside, it can't be applied", "entry", r.Entry.ID, "source", r.Entry.Source, "reason", r.SetAside)
	case r.Decoded.Test:
		l.opts.Log.Info("test of the media type", "entry", r.Entry.ID, "source", r.Entry.Source)
		l.noteSendTo(r)
	case r.Entry.Kind == store.EntryCanary:
		l.opts.Log.Debug("canary", "canary", r.Decoded.Canary.Name, "room", r.Decoded.Canary.Room, "entry", r.Entry.ID)
	case r.Entry.Kind == store.EntryReroute:
		l.opts.Log.Info("problem rerouted", "key", r.Decoded.Event.Key.String(), "entry", r.Entry.ID)
	default:
		if r.Entry.Kind == store.EntryEvent {
			l.opts.Metrics.count(r)
			l.noteSendTo(r)
		}
		if kind := r.Change.Found; kind != "" {
			l.opts.Metrics.countFound(r.Entry.Source, kind)
			l.opts.Log.Warn("found by reconciliation: Zabbix's message about it never came", "key", r.Decoded.Event.Key.String(), "found", string(kind))
		}
		if r.Replaced != "" {
			l.opts.Log.Warn("another problem has the event id of an earlier one, which is closed as gone: was Zabbix's database recreated, or do two servers send as one source?",
				"key", r.Decoded.Event.Key.String(), "earlier", r.Replaced, "entry", r.Entry.ID)
		}
		level := slog.LevelInfo
		if r.Change.Duplicate || r.Entry.Kind == store.EntryObservation {
			level = slog.LevelDebug
		}
		if ctx := context.Background(); l.opts.Log.Enabled(ctx, level) {
			trace := slog.Attr{} // an empty one isn't logged
			if r.Entry.Trace != "" {
				trace = slog.String("trace", tracing.ID(r.Entry.Trace))
			}
			l.opts.Log.LogAttrs(ctx, level, "event", slog.String("key", r.Decoded.Event.Key.String()), slog.String("kind", string(r.Decoded.Event.Kind)), slog.Int64("entry", r.Entry.ID),
				slog.Bool("duplicate", r.Change.Duplicate), slog.Bool("opened", r.Change.Opened), slog.Bool("resolved", r.Change.Resolved), trace)
		}
	}
}

// noteGathered counts and logs the openings of flapping triggers, and how many problems joined each room's digest.
func (l *Ledger) noteGathered(all []Gathered) {
	for i, g := range all {
		if g.Kind == store.GroupFlap {
			l.opts.Metrics.Flapping.Inc()
			l.opts.Log.Info("opened again", "key", g.Key.String(), "room", g.Room, "openings", g.Joined)
			continue
		}
		if g.Kind == store.GroupCause {
			l.opts.Log.Info("a symptom is shown under its cause", "key", g.Key.String(), "room", g.Room, "symptoms", g.Joined)
			continue
		}
		if i+1 == len(all) || all[i+1].Room != g.Room || all[i+1].Kind != g.Kind {
			l.opts.Log.Info("problems joined a digest", "room", g.Room, "problems", g.Joined)
		}
	}
}

// maxLogged bounds how many unknown names, or damaged problems, are remembered as logged. Further ones aren't logged.
const maxLogged = 256

// noteSendTo counts a "Send to" that names nothing, and logs each such name once.
func (l *Ledger) noteSendTo(r Result) {
	sendTo := r.Decoded.Event.SendTo
	if l.opts.UnknownSendTo == nil || sendTo == "" {
		return
	}
	unknown := l.opts.UnknownSendTo(r.Entry.Source, sendTo)
	if len(unknown) > 0 {
		l.opts.Metrics.SendToUnknown.WithLabelValues(r.Entry.Source).Inc()
	}
	for _, why := range unknown {
		if l.unknown.First(r.Entry.Source + " " + why) {
			l.opts.Log.Warn("Send to names no room: correct it in the media of the Zabbix user", "source", r.Entry.Source, "reason", why)
		}
	}
}
