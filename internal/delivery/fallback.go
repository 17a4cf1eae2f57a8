package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// bury makes a dead letter of a post. If the room accepts nothing, the default room is told first: after a
// crash in between it is told twice rather than never.
func (b *bot) bury(l lives, t *task, v *view, verdict step.Verdict, reason, trackingID string, called bool) outcome {
	if claimed, ok := b.claim(l, v); !claimed {
		return outcome{called: called, done: ok, wake: time.Now().Add(storeMost)}
	}
	if verdict == step.Gone {
		to, ok := b.Fallback(t.Room)
		if !ok {
			b.Log.Error("a room refuses messages, and no other default room is configured to be told", "key", t.Value.post.key.String(), "room", t.Room, "err", reason)
		} else if !b.reroute(l, t, v, to, reason) {
			return outcome{called: called, wake: time.Now().Add(storeMost)}
		}
	}
	v.post.Cursor = step.DeadPost(v.post.Cursor, reason, trackingID, time.Now())
	if b.savePost(l, t, v) {
		t.Value.post.doubt = step.PostDoubt{} // a replay starts without doubts
		b.Metrics.DeadLetters.WithLabelValues(kindPost).Inc()
		why := "dead letter: it can't be sent"
		if called {
			why = "dead letter: Webex refused it for good"
		}
		b.Log.Error(why, "key", t.Value.post.key.String(), "room", t.Room, "bot", b.name, "err", reason, "tracking_id", trackingID)
	}
	return outcome{called: called, done: true}
}

// reroute tells the default room of the problem, unless it has a post of it, and that the room refuses messages.
func (b *bot) reroute(l lives, t *task, v *view, to, reason string) bool {
	var posts []store.Post
	if !b.tell(l, "reading who knows of a problem", func(ctx context.Context) error {
		all, err := b.Store.PostsOf(ctx, []alert.Key{t.Value.post.key})
		posts = all[t.Value.post.key]
		return err
	}) || !b.sayRefused(l, t.Room, to, reason) {
		return false
	}
	for _, p := range posts {
		if p.Room == to && p.State == store.PostLive {
			return true
		}
	}
	room, ok := b.Rooms(to, "")
	if !ok {
		return true // ruled out by the configuration's checks
	}
	told := b.tell(l, "telling the default room", func(ctx context.Context) error {
		if b.Reroute != nil {
			return b.Reroute(ctx, t.Value.post.key, to)
		}
		_, err := b.Store.AddNotice(ctx, store.Notice{
			Kind: store.NoticeSystem, Sender: "relay", Room: to, Bot: room.Bot,
			Markdown: b.Render().Root(v.problem, room.Room, time.Now()), Dedup: "reroute/" + t.ID,
		})
		return err
	})
	if told {
		b.Metrics.Reroutes.Inc()
	}
	return told
}

// tell stores something for the default room; false if the bot is stopping. A permanent failure
// (store.ErrNotFound, store.ErrRejected) is logged and ignored, so that the dead letter is written.
func (b *bot) tell(l lives, what string, do func(ctx context.Context) error) bool {
	err := b.attempt(l.save, what, do)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrRejected) {
		b.Log.Error("telling the default room failed for good; the dead letter has the reason", "bot", b.name, "doing", what, "err", err)
		return true
	}
	return err == nil
}

// sayRefused tells the default room that another room refuses messages, once until that room accepts a
// message again. It is a new message each time, since an edit would notify nobody.
func (b *bot) sayRefused(l lives, from, to, reason string) bool {
	settings, ok := b.Rooms(to, "")
	room := b.webexRoom(from)
	b.mu.Lock()
	said := b.refusing[room] || !ok
	if !said {
		b.refusing[room] = true
	}
	b.mu.Unlock()
	if said {
		return true
	}
	if !b.tell(l, "telling the default room that another one refuses", func(ctx context.Context) error {
		_, err := b.Store.AddNotice(ctx, store.Notice{
			Kind: store.NoticeSystem, Sender: "relay", Room: to, Bot: settings.Bot,
			Markdown: "**Room " + code(from) + " refuses messages.** Its problems are shown here until it takes messages again. Is the bot still in it?  \n" + code(reason),
		})
		return err
	}) {
		b.mu.Lock()
		delete(b.refusing, room)
		b.mu.Unlock()
		return false
	}
	b.keepRefusing(l.save)
	return true
}

// takesAgain records that a room accepted a message: the next refusal is announced again.
func (b *bot) takesAgain(l lives, room string) {
	webexRoom := b.webexRoom(room)
	b.mu.Lock()
	refused := b.refusing[webexRoom]
	delete(b.refusing, webexRoom)
	b.mu.Unlock()
	if refused {
		b.Log.Info("a room accepts messages again", "room", room, "bot", b.name)
		b.keepRefusing(l.save)
	}
}

func (b *bot) refusingName() string { return "delivery/refusing/" + b.name }

// keepRefusing saves which rooms are announced as refusing, so that a restart doesn't announce them again.
func (b *bot) keepRefusing(ctx context.Context) {
	b.keeping.Lock()
	defer b.keeping.Unlock()
	b.mu.Lock()
	rooms := slices.Sorted(maps.Keys(b.refusing))
	b.mu.Unlock()
	text, _ := json.Marshal(rooms) // strings always marshal
	b.persist(ctx, "saving which rooms refuse messages", func(ctx context.Context) error {
		return b.Store.SetValue(ctx, b.refusingName(), string(text))
	})
}

// rememberRefusing restores the rooms that a previous process announced.
func (b *bot) rememberRefusing(text string) {
	var rooms []string
	_ = json.Unmarshal([]byte(text), &rooms) // empty before the first save
	for _, room := range rooms {
		b.refusing[room] = true
	}
}

// code quotes untrusted text, cut to the length of a reason.
func code(s string) string {
	const most = 500
	return "`" + webex.EscapeCode(text.ShortenBytes(s, most)) + "`"
}
