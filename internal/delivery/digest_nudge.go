package delivery

import (
	"context"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// shownBy is what a digest shows of a post once its message is written. A first
// message tells no mention: that is still to come, in the thread.
func shownBy(d store.Digest, p alert.Problem, post store.Post, room RoomSettings, revision int64) store.Shown {
	s := store.Shown{Key: post.Key, Revision: revision, Seq: p.LastSeq()}
	if d.MessageID == "" {
		if seq := toldByRoot(p, post.Cursor, room, false); seq < s.Seq {
			s.Revision, s.Seq = min(revision, post.Desired)-1, seq // the room stays behind
		}
	}
	return s
}

// nudge notes what the thread is to say about one post.
func (m *members) nudge(p alert.Problem, post store.Post, room RoomSettings, now time.Time) {
	told := post.ToldSeq
	for _, e := range p.Timeline {
		if e.Nudge != nil && e.Seq > post.ToldSeq && render.Timely(*e.Nudge, p, room.Room, now) {
			m.nudges = append(m.nudges, *e.Nudge)
			told = max(told, e.Seq)
		}
	}
	if told > post.ToldSeq {
		m.nudged = append(m.nudged, store.Shown{Key: post.Key, Revision: post.Delivered, Seq: told})
	}
}

// nudgeDigest says in one reply what there is to say of all that a digest stands
// for: so a storm's problems are reminded of together. What else changed is shown next.
func (b *bot) nudgeDigest(l lives, t *task, d store.Digest, m members, room RoomSettings) outcome {
	message := room.address()
	message.ParentID, message.Markdown = d.MessageID, render.DigestNudges(m.nudges, room.Room)
	var got webex.Message
	took, made, err := b.call(l, t, OpDigestNudge, d.Attempts, func(ctx context.Context) (err error) {
		got, err = b.client.CreateMessage(ctx, message)
		return err
	})
	now := time.Now()
	switch class := webex.ClassOf(err); {
	case !made:
		return outcome{wake: now}
	case err == nil:
		b.Log.Info("message sent", "digest", d.ID, "room", t.room, "bot", b.name, "op", OpDigestNudge, "problems", len(m.nudged), "message", got.ID, "took", took)
	case class == webex.RateLimited || class == webex.Unauthorized || class == webex.Temporary:
		return b.refusedDigest(l, t, d, Step{Op: OpDigestNudge}, err, now)
	default: // the message itself is looked after by its edits
		b.Log.Error("the thread of a digest refuses a reminder", "digest", d.ID, "room", t.room, "err", err)
	}
	d.Attempts, d.NotBefore, d.LastError, d.TrackingID = 0, time.Time{}, "", ""
	m.shown = m.nudged
	out := b.shown(l, d, m)
	out.called = true
	return out
}
