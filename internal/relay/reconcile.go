package relay

import (
	"slices"
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/reconcile"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/watch"
)

// sweepSettings are what a configuration says about reconciliation.
func sweepSettings(cfg *config.Config) reconcile.Settings {
	return reconcile.Settings{Interval: time.Duration(cfg.Reconcile.Interval), MaxAge: time.Duration(cfg.Reconcile.MaxAge)}
}

func configured(cfg *config.Config, source string) bool {
	return slices.ContainsFunc(cfg.Zabbix, func(s config.Source) bool { return s.Name == source })
}

// firstNotices are the messages about what was open in a source that is new to the relay, one for each room.
func (r *Relay) firstNotices(source string, found []store.Unposted) (notices []store.Notice) {
	s := r.live.Load()
	for len(found) > 0 {
		room := found[0].Room
		var counts []render.SeverityCount
		oldest := found[0].Oldest
		for len(found) > 0 && found[0].Room == room {
			counts = append(counts, render.SeverityCount{Severity: found[0].Severity, Count: found[0].Count})
			if found[0].Oldest.Before(oldest) {
				oldest = found[0].Oldest
			}
			found = found[1:]
		}
		notices = append(notices, r.live.notice(room, "reconcile/first/"+source, func(room render.Room) string {
			return s.renderer.FirstFound(source, room, counts, oldest)
		})...)
	}
	return notices
}

// troubleLanguage is the language of the room that is told what is wrong with a source.
func (l *live) troubleLanguage() lang.Lang {
	cfg := l.Load().cfg
	if len(cfg.DefaultRooms) == 0 {
		return cfg.Language
	}
	return cfg.LanguageOf(cfg.DefaultRooms[0])
}

// goneIn is what reconciliation says of open problems that a source doesn't show.
func goneIn(heldOf func(source string) (reconcile.Held, bool), language func() lang.Lang) func(source string) watch.Finding {
	return func(source string) watch.Finding {
		held, known := heldOf(source)
		switch {
		case !known:
			return watch.Finding{}
		case held.Count > 0:
			return watch.Finding{Verdict: watch.Trouble, Count: held.Count, Detail: string(held.Reason)}
		case held.Accepted > 0:
			return watch.Finding{Verdict: watch.Fine, Detail: language().T("%d were closed as gone, by an operator's command", held.Accepted)}
		default:
			return watch.Finding{Verdict: watch.Fine}
		}
	}
}

// notice is a message of the relay about itself in a room, a direct chat or a bound space; none for one that there isn't any more.
// One with the same key edits it.
func (l *live) notice(name, key string, text func(room render.Room) string) []store.Notice {
	room, ok := l.settings(name, "")
	if !ok {
		return nil
	}
	n := store.Notice{Kind: store.NoticeSystem, Room: name, Bot: room.Bot, Dedup: key, Markdown: text(room.Room)}
	if room.Person != "" {
		n.Room, n.Person = "", room.Person
	}
	return []store.Notice{n}
}
