package ledger

import (
	"maps"
	"slices"
	"strings"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// symptomEdits is how many edits of a message about symptoms may be used before further symptoms get the next one: the
// message names each of them.
const symptomEdits = 8

// carries reports whether symptoms are shown under a problem: it is open, and not a symptom itself. Zabbix never has a
// symptom of a symptom, so a chain or a cycle is an answer that is out of date: nothing is shown under its middle.
func carries(p alert.Problem) bool { return p.Revision > 0 && p.Open() && p.CauseEventID == "" }

// causeKey returns the key of the problem that Zabbix ranks as a problem's cause; false for none.
func causeKey(source, own, cause string) (alert.Key, bool) {
	return alert.Key{Source: source, EventID: cause}, cause != "" && cause != own
}

// causes returns the keys of the causes that stored problems and the events of a batch name.
func causes(k Known, items []Item) (keys []alert.Key) {
	add := func(key alert.Key, cause string) {
		if c, ok := causeKey(key.Source, key.EventID, cause); ok && !slices.Contains(keys, c) {
			if _, read := k.Problems[c]; !read {
				keys = append(keys, c)
			}
		}
	}
	for key, p := range k.Problems {
		add(key, p.CauseEventID)
	}
	for i := range items {
		e := items[i].Decoded.Event
		add(e.Key, e.Facts.CauseEventID)
		if e.Observation != nil {
			add(e.Key, e.Observation.CauseEventID)
		}
	}
	return keys
}

// causeOf returns the problem under which a symptom may be shown; false for none.
func (d *Draft) causeOf(key alert.Key) (alert.Key, bool) {
	cause, ok := causeKey(key.Source, key.EventID, d.problem(key).CauseEventID)
	return cause, ok && carries(d.problem(cause))
}

// countAwaiting counts the symptoms that arrived before their cause.
func (d *Draft) countAwaiting(cause alert.Key) {
	keys := d.awaiting[cause]
	slices.SortFunc(keys, func(a, b alert.Key) int { return strings.Compare(a.EventID, b.EventID) })
	for _, key := range keys {
		if p := d.problem(key); p.CountedBy == "" && p.SymptomOf() == cause.EventID {
			d.merge(effect{problem: p, posts: d.postsOf(key)})
			d.count(key, p)
		}
	}
	delete(d.awaiting, cause)
}

// awaitCause remembers a symptom whose cause isn't known.
func (d *Draft) awaitCause(p alert.Problem) {
	if cause := (alert.Key{Source: p.Key.Source, EventID: p.SymptomOf()}); cause.EventID != "" && p.CountedBy == "" {
		d.awaiting[cause] = append(d.awaiting[cause], p.Key)
	}
}

// count keeps the number of symptoms in their causes, which show it. A symptom whose cause isn't known is counted once that arrives.
func (d *Draft) count(key alert.Key, was alert.Problem) {
	p := d.problems[key]
	id := p.SymptomOf()
	if id == "" && p.CountedBy == "" {
		return
	}
	if id != "" && d.problem(alert.Key{Source: key.Source, EventID: id}).Revision == 0 {
		id = ""
	}
	changes := p.Counted(was, id)
	p.changed = p.changed || p.CountedBy != id
	p.CountedBy = id
	d.awaitCause(p.Problem)
	for _, of := range slices.Sorted(maps.Keys(changes)) {
		cause := alert.Key{Source: key.Source, EventID: of}
		e := effect{problem: d.problem(cause), posts: d.postsOf(cause)}
		if e.problem.Revision == 0 {
			continue // it was pruned
		}
		e.problem, e.change = alert.Apply(e.problem, alert.Event{Key: cause, Kind: alert.KindSymptom, Symptoms: changes[of], At: d.now})
		for i := range e.posts {
			d.desire(&e.posts[i], e.problem, d.now)
		}
		d.merge(e)
	}
}

// showsCause reports whether a message of its own shows the cause in the room, or is about to. claimed reports that
// delivery has begun with it, so that no storm's digest will show it.
func (r *roomDraft) showsCause(cause alert.Key) (shows, claimed bool) {
	for _, post := range r.postsOf(cause) {
		if post.Room == r.room && post.Group == 0 && post.State != store.PostDead {
			return post.Claimed || post.Pending(), post.Claimed
		}
	}
	return false, false
}

// joinCauses puts the batch's symptoms into the messages in the threads of their causes. Symptoms of a cause that isn't
// claimed wait for the decision about a storm, whose digest may show both.
func (r *roomDraft) joinCauses(unclaimed bool) {
	r.waiting = slices.DeleteFunc(r.waiting, func(post *draftPost) bool {
		cause, ok := r.causeOf(post.Key)
		if !ok || !post.touched {
			return false
		}
		if shows, claimed := r.showsCause(cause); !shows || !claimed && !unclaimed {
			return false
		}
		g := r.newest(store.GroupCause, cause.String())
		if g == nil || !acceptsSymptoms(*g) {
			g = r.open(store.GroupCause, cause.String())
		}
		r.join(g, post)
		return true
	})
}

// acceptsSymptoms reports whether a message about symptoms accepts another one.
func acceptsSymptoms(g store.Group) bool {
	return g.State != store.PostDead && g.Joined < stormMembers && (awaitsMessage(g) || g.MessageID != "" && g.Edits < symptomEdits)
}

// stays reports whether a member of a group of symptoms is still shown there.
func (r *roomDraft) stays(g *store.Group, key alert.Key) bool {
	cause, ok := r.causeOf(key)
	return ok && cause.String() == g.Name
}

// release gives the open symptoms of causes that resolved, or that became symptoms, messages of their own. More than the
// threshold share a digest.
func (r *roomDraft) release(inBatch map[alert.Key]bool) {
	for _, post := range r.known.Symptoms {
		if post.Open && !inBatch[post.Key] {
			r.released = append(r.released, &draftPost{Post: post})
		}
	}
	var digest *store.Group
	for _, post := range r.released {
		r.leave(r.groupOf(post), post)
		if r.rules.Threshold > 0 && len(r.released) > r.rules.Threshold {
			if digest == nil || digest.Joined >= stormMembers {
				digest = r.open(store.GroupStorm, "")
			}
			r.join(digest, post)
		}
		if !post.touched {
			r.addLines(post)
			r.out.Fold.Posts = append(r.out.Fold.Posts, post.Post)
		}
	}
}
