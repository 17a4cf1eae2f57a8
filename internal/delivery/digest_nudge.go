package delivery

import (
	"context"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// shownBy is what a digest shows of a post once its message is written. A first
// message tells no mention: that is still to come, in the thread.
func shownBy(d store.Digest, p alert.Problem, post store.Post, room RoomSettings, revision int64) store.Shown {
	s := store.Shown{Key: post.Key, Revision: revision, Seq: p.LastSeq()}
	if d.MessageID == "" {
		if seq := step.ToldByRoot(p, post.Cursor, room.step(), false); seq < s.Seq {
			s.Revision, s.Seq = min(revision, post.Desired)-1, seq // the room stays behind
		}
	}
	return s
}

// without leaves out what is to be marked otherwise: those posts stay behind.
func without(shown, nudged []store.Shown) []store.Shown {
	later := make(map[alert.Key]bool, len(nudged))
	for _, n := range nudged {
		later[n.Key] = true
	}
	return slices.DeleteFunc(shown, func(s store.Shown) bool { return later[s.Key] })
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

const (
	// A storm's clocks run out as its problems came: what nudges follow each other
	// closer than nudgeQuiet are one line, for nudgeMost at most.
	nudgeQuiet = 5 * time.Second
	nudgeMost  = time.Minute
)

// gathersNudges says whether a digest's edits wait for its nudges: not while it has
// something to tell that the room doesn't know.
func gathersNudges(d store.Digest) bool { return d.Open && d.Shown >= d.Joined+d.Left }

// nudgesAt is when nudges are said: once no more come, as far as anybody can tell.
func nudgesAt(nudges []alert.Nudge) time.Time {
	if len(nudges) == 0 {
		return time.Time{}
	}
	first, last := nudges[0].At, nudges[0].At
	for _, n := range nudges {
		if n.At.Before(first) {
			first = n.At
		}
		if n.At.After(last) {
			last = n.At
		}
	}
	if at, most := last.Add(nudgeQuiet), first.Add(nudgeMost); at.Before(most) {
		return at
	}
	return first.Add(nudgeMost)
}

// nudgeDigest says in one reply what there is to say of all that a digest stands
// for: so a storm's problems are reminded of together. What else changed is shown next.
func (b *bot) nudgeDigest(l lives, t *task, d store.Digest, m members, room RoomSettings) outcome {
	delete(t.Value.digest.nudgeAt, d.ID)
	message := room.address()
	message.ParentID, message.Markdown = d.MessageID, render.DigestNudges(m.nudges, room.Room)
	var got webex.Message
	took, made, err := b.call(l, t, OpDigestNudge, d.Attempts, func(ctx context.Context) (err error) {
		got, err = b.client.CreateMessage(ctx, message)
		return err
	})
	now := time.Now()
	switch {
	case !made:
		return outcome{wake: now}
	case err != nil:
		return b.refusedDigest(l, t, d, step.Step{Op: OpDigestNudge}, m, err, now)
	}
	b.Log.Info("message sent", "digest", d.ID, "room", t.Room, "bot", b.name, "op", OpDigestNudge, "problems", len(m.nudged), "message", got.ID, "took", took)
	b.threadTakes(t, d.ID)
	d.Attempts, d.NotBefore, d.LastError, d.TrackingID = 0, time.Time{}, "", ""
	m.shown = m.nudged
	out := b.shown(l, d, m)
	out.called = true
	return out
}
