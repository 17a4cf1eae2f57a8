package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// Flapping is when the openings of one trigger are told in one message.
type Flapping struct {
	Count  int           // the how-manieth opening within Window is the first that is; 0: none ever is
	Window time.Duration // and how long the trigger must not open to be told as usual again
}

// FlapName names what may open again and again: the trigger, or what else the
// problem is of; "" for what neither lasts nor recovers, and where nothing names it.
func FlapName(p alert.Problem) string {
	switch {
	case p.Origin == alert.OriginDiscovery || p.Origin == alert.OriginAutoregistration:
		return ""
	case p.TriggerID != "" && len(p.TriggerID) <= 20:
		return p.Key.Source + "/trigger/" + p.TriggerID
	case p.Name == "":
		return ""
	}
	sum := sha256.New()
	for _, part := range []string{string(p.Origin), p.Service, p.Name} {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	for _, h := range p.Hosts {
		fmt.Fprintf(sum, "%d:%s", len(h.Host), h.Host)
		_, _ = io.WriteString(sum, h.Name) // a hash takes everything
	}
	return p.Key.Source + "/" + string(p.Origin) + "/" + hex.EncodeToString(sum.Sum(nil)[:10])
}

// Opening is one opening of what FlapName names, in one room.
type Opening struct {
	Room string
	Name string
	At   time.Time // when the room was to be told
	Flap bool      // it was told as flapping
}

type openingID struct{ room, name string }

// history is what is remembered of one trigger in one room.
type history struct {
	times []time.Time // of its openings, the oldest first; as many as are counted
	flap  bool        // the newest was told as flapping
}

// next says whether an opening at now is told as flapping: it is one of so many
// within the window, or the trigger is flapping already and hasn't been quiet for the window.
func (h history) next(f Flapping, now time.Time) bool {
	if f.Count < 2 || len(h.times) == 0 {
		return false
	}
	within := 1
	for _, at := range h.times {
		if now.Sub(at) < f.Window {
			within++
		}
	}
	return within >= f.Count || h.flap && now.Sub(h.times[len(h.times)-1]) < f.Window
}

// with is the history after one more opening. It leaves h as it was.
func (h history) with(o Opening, most int) history {
	first := max(0, len(h.times)+1-max(most, 1))
	times := make([]time.Time, 0, len(h.times)+1-first)
	return history{times: append(append(times, h.times[first:]...), o.At), flap: o.Flap}
}

const (
	// openingsMost bounds how many triggers are remembered: twice as many at most.
	openingsMost = 10_000
	// openingsRecent is how many problems are looked through at the start.
	openingsRecent = 5_000
)

// openings remembers what opened last: in two generations, so that forgetting
// costs nothing and what is remembered is bounded.
type openings struct{ young, old map[openingID]history }

func (o *openings) of(room, name string) history {
	id := openingID{room, name}
	if h, ok := o.young[id]; ok {
		return h
	}
	return o.old[id]
}

// add remembers openings, as many of each trigger as its room counts.
func (o *openings) add(opened []Opening, rules func(room string) Flapping) {
	for _, one := range opened {
		if o.young == nil || len(o.young) >= openingsMost {
			o.old, o.young = o.young, map[openingID]history{}
		}
		o.young[openingID{one.Room, one.Name}] = o.of(one.Room, one.Name).with(one, rules(one.Room).Count)
	}
}

// flaps says whether a problem that joins a room is told there as flapping: Post.Flap.
func (b *batch) flaps(e *effect, room string) string {
	if b.rules.Flapping == nil {
		return ""
	}
	f, name := b.rules.Flapping(room), FlapName(e.problem)
	if f.Count < 2 || name == "" {
		return ""
	}
	one := Opening{Room: room, Name: name, At: b.now, Flap: b.history(room, name).next(f, b.now)}
	e.opened = append(e.opened, one)
	if !one.Flap {
		return ""
	}
	return name
}

// history is what is known of a trigger, with what the batch did.
func (b *batch) history(room, name string) history {
	if h, ok := b.opened[openingID{room, name}]; ok {
		return h
	}
	if b.known.Openings == nil {
		return history{}
	}
	return b.known.Openings.of(room, name)
}

// open takes in the openings of an entry that was applied.
func (b *batch) open(opened []Opening) {
	for _, one := range opened {
		b.opened[openingID{one.Room, one.Name}] = b.history(one.Room, one.Name).with(one, b.rules.Flapping(one.Room).Count)
	}
	b.out.Opened = append(b.out.Opened, opened...)
}

// remember reads what opened lately, as an earlier process, or a commit whose
// answer was lost, left it.
func (l *Ledger) remember(ctx context.Context) error {
	if l.rules.Flapping == nil {
		return nil
	}
	problems, err := l.opts.Store.RecentProblems(ctx, time.Now().Add(-l.opts.FlapWindow), openingsRecent)
	if errors.Is(err, store.ErrRejected) {
		l.opts.Log.Error("what opened lately can't be read: what is flapping is found out anew", "error", err)
		problems, err = nil, nil
	}
	if err != nil {
		return fmt.Errorf("reading what opened lately: %w", err)
	}
	keys := make([]alert.Key, len(problems))
	for i, p := range problems {
		keys[i] = p.Key
	}
	posts, err := l.opts.Store.PostsOf(ctx, keys)
	if err != nil {
		return fmt.Errorf("reading what opened lately: %w", err)
	}
	l.openings = openings{}
	l.openings.add(openingsOf(problems, posts), l.rules.Flapping)
	return nil
}

// openingsOf reads from posts what Plan said of them, in the order in which they joined.
func openingsOf(problems []alert.Problem, posts map[alert.Key][]store.Post) []Opening {
	var all []Opening
	for _, p := range problems {
		for _, post := range posts[p.Key] {
			name := post.Flap
			if name == "" {
				name = FlapName(p)
			}
			if name != "" && !post.JoinedAt.IsZero() {
				all = append(all, Opening{Room: post.Room, Name: name, At: post.JoinedAt, Flap: post.Flap != ""})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Opening) int { return a.At.Compare(b.At) })
	return all
}
