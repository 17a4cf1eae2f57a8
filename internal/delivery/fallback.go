package delivery

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// markDead makes a dead letter of a post. If the room accepts nothing, the default room is notified first. A crash in
// between repeats the notification.
func (b *bot) markDead(l lives, t *task, v *view, verdict step.Verdict, reason, trackingID string, called bool) outcome {
	later := outcome{called: called, wake: time.Now().Add(storeMost)}
	if claimed, ok := b.claim(l, v); !claimed {
		later.done = ok
		return later
	}
	if verdict == step.Gone {
		if ofIncident(v.post) {
			// It is told where the incident was opened.
		} else if to, ok := b.fallback(t, reason); ok && (!b.announceRefusal(l, t.Room, to, reason) || !extra(v.post) && !v.shownIn(to) && !b.reroute(l, v.post.Key, to)) {
			return later
		}
		b.Refused(l.save, t.Room, reason)
	}
	v.post.Cursor = step.DeadPost(v.post.Cursor, reason, trackingID, time.Now())
	if b.savePost(l, t, v) {
		t.Value.post.doubt = step.PostDoubt{} // a replay starts without doubts
		b.deadLetter(t, kindPost, called, reason, trackingID)
	}
	return outcome{called: called, done: true}
}

// extra reports whether a binding added a post: its problem is in a configured room, too, and nobody asked for it in the default room.
func extra(p store.Post) bool { return config.MadeInChat(p.Route) }

// ofIncident reports whether a post is in the space of an incident. Its loss is told where the incident was opened.
func ofIncident(p store.Post) bool { return strings.HasPrefix(p.Route, config.IncidentRule) }

// fallback returns the room that shows the problems of a task's room instead; false, and a line in the log, for none.
func (b *bot) fallback(t *task, reason string) (to string, ok bool) {
	if to, ok = b.Fallback(t.Room); !ok {
		b.logOf(t).Error("a room gets no messages, and no other default room is configured", "err", reason)
	}
	return to, ok
}

// shownIn reports whether another room has a live post of the problem.
func (v *view) shownIn(room string) bool {
	return slices.ContainsFunc(v.rooms, func(p store.Post) bool { return p.Room == room && p.State == store.PostLive })
}

// reroute has the ledger show a problem in the default room as well, unless that has a post of it. false if the
// bot is stopping.
func (b *bot) reroute(l lives, key alert.Key, to string) bool {
	payload, _ := json.Marshal(store.Envelope{EventID: key.EventID, Room: to}) // strings always marshal
	stored := b.persistFor(l, "rerouting a problem to the default room", func(ctx context.Context) error {
		_, err := b.Store.Append(ctx, store.Entry{Source: key.Source, Kind: store.EntryReroute, Payload: payload, ReceivedAt: time.Now()})
		return err
	})
	if stored {
		b.Metrics.Reroutes.Inc()
	}
	return stored
}

// persistFor stores a reroute or notice for the default room; false if the bot is stopping. A permanent failure
// (store.ErrNotFound, store.ErrRejected) is logged and ignored, so that the dead letter is written.
func (b *bot) persistFor(l lives, what string, do func(ctx context.Context) error) bool {
	err := b.attempt(l.save, what, do)
	if store.Lasting(err) {
		b.Log.Error("notifying the default room failed for good; the dead letter has the reason", "bot", b.name, "doing", what, "err", err)
		return true
	}
	return err == nil
}

// announceRefusal notifies the default room that another room refuses messages or isn't configured any more, once until that room
// accepts a message again. Each time it is a new message, since an edit would notify nobody.
func (b *bot) announceRefusal(l lives, from, to, reason string) bool {
	room := b.webexRoom(from)
	b.mu.Lock()
	announced := b.refusing[room]
	b.refusing[room] = true
	b.mu.Unlock()
	if announced {
		return true
	}
	if !b.persistFor(l, "announcing a refusing room in the default room", func(ctx context.Context) error {
		_, err := b.Store.AddNotice(ctx, store.Notice{
			Kind: store.NoticeSystem, Sender: "relay", Room: to,
			Markdown: b.refusal(b.languageOf(to), from, reason),
		})
		return err
	}) {
		b.mu.Lock()
		delete(b.refusing, room)
		b.mu.Unlock()
		return false
	}
	b.keepWaits(l.save)
	return true
}

// refusal is the text of the announcement.
func (b *bot) refusal(l lang.Lang, room, reason string) string {
	if strings.HasPrefix(room, config.SpaceRoom) {
		return l.T("**A space that was bound refuses messages, so its bindings ended.** Its problems are in their other rooms. To bind it again, add the bot to it and send `bind` there.") +
			"  \n" + code(reason)
	}
	if email, direct := strings.CutPrefix(room, config.PersonRoom); direct {
		return l.T("**%s can't be reached by direct messages.** Problems that a route sends there are shown here until messages are accepted again; those of subscriptions are in their rooms.",
			code(email)) + "  \n" + code(reason)
	}
	if _, known := b.Rooms(room, ""); !known {
		return l.T("**Room %s isn't configured any more.** What it was still owed is a dead letter, and its problems are shown here. Configure the room again and replay its dead letters, or drop them.", code(room))
	}
	return l.T("**Room %s refuses messages.** Its problems are shown here until it accepts messages again. Is the bot still in it?", code(room)) + "  \n" + code(reason)
}

func (b *bot) languageOf(room string) lang.Lang {
	settings, _ := b.Rooms(room, "")
	return settings.Lang
}

// recordAccepted records that a room accepted a message, so that its next refusal is announced.
func (b *bot) recordAccepted(l lives, room string) {
	webexRoom := b.webexRoom(room)
	b.mu.Lock()
	refused := b.refusing[webexRoom] || b.refusing[room]
	delete(b.refusing, webexRoom)
	delete(b.refusing, room) // announced while it wasn't configured
	b.mu.Unlock()
	if refused {
		b.Log.Info("a room accepts messages again", "room", room, "bot", b.name)
		b.keepWaits(l.save)
	}
}

// code quotes untrusted text, cut to the length of a reason.
func code(s string) string {
	const most = 500
	return "`" + webex.EscapeCode(text.ShortenBytes(s, most)) + "`"
}
