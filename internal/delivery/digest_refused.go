package delivery

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

// threadTakes forgets that the thread of a digest refused a reply.
func (b *bot) threadTakes(t *task, id int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if doubts := t.Value.digest.doubts[id]; doubts.ThreadProved {
		doubts.ThreadProved = false
		t.Value.digest.doubts[id] = doubts
	}
}

// refusedDigest does what a failed call asks for.
func (b *bot) refusedDigest(l lives, t *task, d store.Digest, s step.Step, m members, err error, now time.Time) outcome {
	b.mu.Lock()
	doubts := t.Value.digest.doubts[d.ID]
	b.mu.Unlock()
	after, doubts, verdict := RefusedDigest(s, d, doubts, err, b.delay(d.Attempts+1, err, now), now)
	b.Log.Log(l.call, refusalLevel(err), "message not accepted", "digest", d.ID, "room", t.Room, "bot", b.name, "op", s.Op, "verdict", verdict, "err", err)
	b.mu.Lock()
	t.Value.digest.doubts[d.ID] = doubts
	b.mu.Unlock()
	switch verdict {
	case step.Dead, step.Gone:
		switch s.Op {
		case OpDigestFile:
			if after = DeadList(after, now); b.saveDigest(l, after, nil) {
				b.Metrics.DeadLetters.WithLabelValues(kindList).Inc()
				b.Log.Error("dead letter: the thread of a digest refuses its list for good", "digest", d.ID, "room", t.Room, "bot", b.name, "err", after.ListError, "tracking_id", after.ListTrackingID)
			}
			return outcome{called: true, wake: now}
		case OpDigestAgain, OpDigestNudge: // the message itself says how it is
			var told []store.Shown
			if after.Said = d.Joined; s.Op == OpDigestNudge {
				after.Said, told = d.Said, m.nudged
			}
			b.shown(l, after, members{shown: told})
			b.Log.Error("the thread of a digest refuses a word", "digest", d.ID, "room", t.Room, "bot", b.name, "op", s.Op, "err", err)
			return outcome{called: true, wake: now}
		}
		return b.buryDigest(l, t, after, verdict, after.LastError, after.TrackingID, true)
	}
	if after != d {
		b.saveDigest(l, doubts.keptOf(after), nil)
	}
	return outcome{called: true, wake: now}
}

// buryDigest makes a dead letter of a digest, with all of its posts. Where the
// room takes nothing, the default room is told first.
func (b *bot) buryDigest(l lives, t *task, d store.Digest, verdict step.Verdict, reason, trackingID string, called bool) outcome {
	later := outcome{called: called, wake: time.Now().Add(storeMost)}
	if !d.GathersUntil.IsZero() && !b.closeDigest(l, &d) {
		return later
	}
	if to, ok := b.Fallback(t.Room); verdict == step.Gone && ok && !b.rerouteDigest(l, t, d, to, reason) {
		return later
	}
	b.mu.Lock()
	d = t.Value.digest.doubts[d.ID].keptOf(d)
	delete(t.Value.digest.doubts, d.ID) // whoever replays it asks anew
	b.mu.Unlock()
	if b.saveDigest(l, DeadDigest(d, reason, trackingID, time.Now()), nil) {
		b.Metrics.DeadLetters.WithLabelValues(kindDigest).Inc()
		b.Log.Error("dead letter: Webex refused it for good", "digest", d.ID, "room", t.Room, "bot", b.name, "err", reason, "tracking_id", trackingID)
	}
	return outcome{called: called, wake: time.Now()}
}

// closeDigest has a digest take in nobody any more: who joined after the default room was told would
// be told nowhere. It counts who is in it by then.
func (b *bot) closeDigest(l lives, d *store.Digest) bool {
	d.GathersUntil = time.Time{}
	return b.saveDigest(l, *d, nil) && b.persist(l.save, "reading who is in a digest", func(ctx context.Context) error {
		now, err := b.Store.Digest(ctx, d.ID)
		d.Joined, d.Left = now.Joined, now.Left
		return err
	})
}

// rerouteDigest tells the default room of all that a digest stands for.
func (b *bot) rerouteDigest(l lives, t *task, d store.Digest, to, reason string) bool {
	m, ok := b.members(l, t, d)
	if !ok || !b.sayRefused(l, t.Room, to, reason) {
		return false
	}
	room, known := b.Rooms(to, "")
	if !known {
		return true // config.Load doesn't let this be
	}
	if b.Reroute != nil {
		// All at once, so that they share a few commits.
		var told errgroup.Group
		told.SetLimit(digestBatch)
		for _, i := range m.Items {
			told.Go(func() error {
				if !b.tell(l, "telling the default room", func(ctx context.Context) error { return b.Reroute(ctx, i.Key, to) }) {
					return store.ErrClosed
				}
				return nil
			})
		}
		if told.Wait() != nil {
			return false
		}
	} else {
		// A notice carries no file: what one message doesn't name, the next ones do.
		for n, rest := 0, m.Items; len(rest) > 0; n++ {
			take := len(rest)
			text, complete := b.Render.Digest(render.Digest{Items: rest[:take], Left: m.Left, Flap: m.Flap}, room.Room)
			for !complete && take > 1 {
				take = (take + 1) / 2
				text, complete = b.Render.Digest(render.Digest{Items: rest[:take], Flap: m.Flap}, room.Room)
			}
			if !b.tell(l, "telling the default room", func(ctx context.Context) error {
				_, err := b.Store.AddNotice(ctx, store.Notice{
					Kind: store.NoticeSystem, Sender: "relay", Room: to, Bot: room.Bot, Markdown: text, Dedup: fmt.Sprintf("reroute/digest/%d/%d", d.ID, n),
				})
				return err
			}) {
				return false
			}
			rest = rest[take:]
		}
	}
	b.Metrics.Reroutes.Add(float64(len(m.Items)))
	b.WakeNotices()
	return true
}
