package delivery

import (
	"context"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// bury makes a dead letter of a post. Where the room takes nothing at all, the
// default room is told first, so that a crash in between tells it again rather
// than never.
func (b *bot) bury(l lives, t *task, v *view, verdict Verdict, reason, trackingID string, called bool) outcome {
	if verdict == VerdictGone {
		to, ok := b.Fallback(t.room)
		if !ok {
			b.Log.Error("a room refuses messages and there is no other default room to tell", "key", t.post.key.String(), "room", t.room, "err", reason)
		} else if !b.reroute(l, t, v, to, reason) {
			return outcome{called: called, wake: time.Now().Add(storeMost)}
		}
	}
	v.post.Cursor = Dead(v.post.Cursor, reason, trackingID, time.Now())
	if b.savePost(l, t, v) {
		t.post.doubts = Doubts{} // whoever replays it asks anew
		b.Metrics.DeadLetters.WithLabelValues(kindPost).Inc()
		b.Log.Error("dead letter: Webex refused it for good", "key", t.post.key.String(), "room", t.room, "bot", b.name, "err", reason, "tracking_id", trackingID)
	}
	return outcome{called: called, done: true}
}

// reroute tells the default room of a problem, unless it knows, and once for
// each room that it refuses messages.
func (b *bot) reroute(l lives, t *task, v *view, to, reason string) bool {
	var posts []store.Post
	if !b.persist(l.save, "reading who knows of a problem", func(ctx context.Context) error {
		all, err := b.Store.PostsOf(ctx, []alert.Key{t.post.key})
		posts = all[t.post.key]
		return err
	}) {
		return false
	}
	if !b.sayRefused(l, t.room, to, reason) {
		return false
	}
	for _, p := range posts {
		if p.Room == to && p.State == store.PostLive {
			return true
		}
	}
	room, ok := b.Rooms(to, "")
	if !ok {
		return true // config.Load doesn't let this be
	}
	told := b.persist(l.save, "telling the default room", func(ctx context.Context) error {
		if b.Reroute != nil {
			return b.Reroute(ctx, t.post.key, to)
		}
		_, err := b.Store.AddNotice(ctx, store.Notice{
			Kind: store.NoticeSystem, Sender: "relay", Room: to, Bot: room.Bot,
			Markdown: b.Render.Root(v.problem, room.Room, time.Now()), Dedup: "reroute/" + t.id,
		})
		return err
	})
	if told {
		b.Metrics.Reroutes.Inc()
		b.WakeNotices()
	}
	return told
}

// sayRefused tells the default room, once for each room while the relay runs.
func (b *bot) sayRefused(l lives, from, to, reason string) bool {
	if _, said := b.refusing.LoadOrStore(from, true); said {
		return true
	}
	settings, ok := b.Rooms(to, "")
	if !ok {
		return true
	}
	said := b.persist(l.save, "telling the default room that another one refuses", func(ctx context.Context) error {
		_, err := b.Store.AddNotice(ctx, store.Notice{
			Kind: store.NoticeSystem, Sender: "relay", Room: to, Bot: settings.Bot, Dedup: "refuses/" + from,
			Markdown: "**Room " + code(from) + " refuses messages.** What it isn't told is told here, until it is right again. Is the bot still in it?  \n" + code(reason),
		})
		return err
	})
	if !said {
		b.refusing.Delete(from)
	}
	b.WakeNotices()
	return said
}

// code quotes text that isn't ours. What is longer than a reason should be is cut.
func code(s string) string {
	const most = 500
	return "`" + webex.EscapeCode(text.ShortenBytes(s, most)) + "`"
}
