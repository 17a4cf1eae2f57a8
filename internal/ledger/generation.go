package ledger

import (
	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// maxEarlier bounds how many earlier problems of one event id are kept apart.
const maxEarlier = 8

// superseded is a problem whose event id another one has now, or whose count of earlier problems rose.
type superseded struct {
	problem alert.Problem
	posts   []draftPost
	from    alert.Key // the key that posts and messages had until now; zero if they keep theirs
}

// supersede moves a problem to another key, with its posts and messages, and closes it as gone: a later problem has its
// event id. It returns the later one, still empty. Its revisions continue those of the earlier one, so that a cursor that
// delivery saves late can't be mistaken for its own.
func (d *Draft) supersede(e *effect, was alert.Problem, by alert.Event) alert.Problem {
	fresh := alert.Problem{Key: was.Key, Generation: was.Generation + 1}
	first, _ := alert.Apply(fresh, by)
	old := superseded{from: was.Key, problem: was.Supersede(was.Key.Earlier(fresh.Generation), first.OpenedAt, d.now)}
	for _, post := range e.posts {
		post.Key = old.problem.Key
		d.desire(&post, old.problem, by.ReceivedAt)
		d.schedule(&post.Post, was, old.problem)
		old.posts = append(old.posts, post)
	}
	fresh.Revision = old.problem.Revision
	e.posts, e.old, e.replaced = nil, append(e.old, old), was.Name
	return fresh
}

// overtaken returns the earlier problem that an event is about; was has its event id now. If the relay doesn't know
// the earlier one, it is new and gets no post.
func (d *Draft) overtaken(e *effect, was alert.Problem, event alert.Event) alert.Problem {
	for n := was.Generation; n > 0; n-- {
		if p := d.problem(was.Key.Earlier(n)); p.Revision != 0 && p.Relation(event) == alert.Same {
			e.posts = d.postsOf(p.Key)
			return p
		}
	}
	if was.Generation < maxEarlier {
		was.Generation++
		e.old = append(e.old, superseded{problem: was, posts: e.posts})
	}
	e.posts = nil
	return alert.Problem{}.Supersede(was.Key.Earlier(was.Generation), was.OpenedAt, d.now)
}

// archive writes superseded problems.
func (d *Draft) archive(old []superseded) {
	for _, o := range old {
		if o.from != (alert.Key{}) {
			d.out.Fold.Moved = append(d.out.Fold.Moved, store.Move{From: o.from, To: o.problem.Key})
		}
		d.merge(effect{problem: o.problem, change: alert.Change{Changed: true, Headline: true}, posts: o.posts})
	}
}
