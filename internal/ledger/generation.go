package ledger

import "nms-alert-relay/internal/alert"
import "nms-alert-relay/internal/store"

// maxEarlier bounds how many problems that were overtaken by a later one of the same event id are kept apart.
const maxEarlier = 8

// superseded is a problem whose event id another one has.
type superseded struct {
	problem alert.Problem
	posts   []store.Post // under its new key
	from    alert.Key    // that they had; zero where nothing is to be moved
}

// supersede makes room for a problem with the event id of was: was gets another key, with its
// posts and messages, and is over; its rooms are to show that. It gives what the new one starts
// from: nothing is known of it, and its revisions go on, so that a cursor that delivery saves
// late can't pass for its own.
func (b *batch) supersede(e *effect, was alert.Problem, by alert.Event) alert.Problem {
	fresh := alert.Problem{Key: was.Key, Generation: was.Generation + 1}
	first, _ := alert.Apply(fresh, by)
	old := superseded{from: was.Key, problem: was.Supersede(was.Key.Earlier(fresh.Generation), first.OpenedAt, b.now)}
	for _, post := range e.posts {
		post.Key = old.problem.Key
		b.desire(&post, old.problem, Decoded{Event: by})
		b.schedule(&post, was, old.problem)
		old.posts = append(old.posts, post)
	}
	fresh.Revision = old.problem.Revision
	e.posts, e.old, e.replaced = nil, append(e.old, old), was.Name
	return fresh
}

// overtaken gives the earlier problem that an event is about, whose event id was has now. One
// that was heard of after was is told nobody.
func (b *batch) overtaken(e *effect, was alert.Problem, event alert.Event) alert.Problem {
	for n := was.Generation; n > 0; n-- {
		if p := b.problem(was.Key.Earlier(n)); p.Revision != 0 && p.Relation(event) == alert.Same {
			e.posts = b.postsOf(p.Key)
			return p
		}
	}
	if was.Generation < maxEarlier {
		was.Generation++
		e.old = append(e.old, superseded{problem: was, posts: e.posts})
	}
	e.posts = nil
	return alert.Problem{}.Supersede(was.Key.Earlier(was.Generation), was.OpenedAt, b.now)
}

// archive takes in problems that were superseded, or whose generation grew.
func (b *batch) archive(old []superseded) {
	for _, o := range old {
		if o.from != (alert.Key{}) {
			b.out.Fold.Moved = append(b.out.Fold.Moved, store.Move{From: o.from, To: o.problem.Key})
		}
		rooms := make([]string, 0, len(o.posts))
		for _, post := range o.posts {
			rooms = append(rooms, post.Room)
		}
		if o.from == (alert.Key{}) {
			rooms = nil
		}
		b.take(o.problem.Key, effect{problem: o.problem, change: alert.Change{Changed: true}, posts: o.posts, touched: rooms})
	}
}
