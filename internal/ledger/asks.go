package ledger

import (
	"cmp"
	"slices"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// Asks returns the queries whose answers Finish needs about the rooms that the batch touches. Unknown returns the
// problems in those answers that it needs as well.
func (d *Draft) Asks() []store.GroupingAsk {
	byRoom := map[string]*store.GroupingAsk{}
	ask := func(room string, g Grouping, storms bool) *store.GroupingAsk {
		a := byRoom[room]
		if a == nil {
			a = &store.GroupingAsk{Room: room}
			byRoom[room] = a
		}
		if storms && g.Threshold > 0 {
			a.Limit, a.Below, a.Since, a.BurstSince = groupLimit, g.Individual, d.now.Add(-recent), d.now.Add(-burstTime)
		}
		return a
	}
	for p, post := range d.touchedPosts() {
		g := d.grouping(post.Room)
		if !carries(p.Problem) {
			a := ask(post.Room, g, false)
			a.Ended = append(a.Ended, post.Key.String())
		}
		switch {
		case post.Group != 0:
			if a := ask(post.Room, g, false); !slices.Contains(a.Groups, post.Group) {
				a.Groups = append(a.Groups, post.Group)
			}
		case g.gatherable(post.Post):
			a := ask(post.Room, g, true)
			if cause, ok := d.causeOf(post.Key); ok && !slices.Contains(a.Causes, cause.String()) {
				a.Causes = append(a.Causes, cause.String())
			}
			if own, other := discoveredOpening(p.Problem); own != 0 {
				a.Openings = append(a.Openings, own, other)
				if after := d.now.Add(-repeatMemory); a.OpenedAfter.IsZero() || after.Before(a.OpenedAfter) {
					a.OpenedAfter = after
				}
				continue
			}
			if post.Opening == 0 || g.FlapCount < 2 || !post.released {
				continue
			}
			if !slices.Contains(a.Openings, post.Opening) {
				a.Openings = append(a.Openings, post.Opening)
			}
			if after := asOpening(post.Post).OpenedAt.Add(-g.FlapWindow); a.OpenedAfter.IsZero() || after.Before(a.OpenedAfter) {
				a.OpenedAfter = after
			}
		}
	}
	for _, room := range d.rooms {
		ask(room, d.grouping(room), true)
	}
	asks := make([]store.GroupingAsk, 0, len(byRoom))
	for _, a := range byRoom {
		asks = append(asks, *a)
	}
	slices.SortFunc(asks, func(a, b store.GroupingAsk) int { return cmp.Compare(a.Room, b.Room) })
	return asks
}

// Unknown returns the keys of posts that wait in these rooms, or that are symptoms there, and whose problems aren't known.
func (d *Draft) Unknown(rooms map[string]store.RoomGrouping) (keys []alert.Key) {
	for _, r := range rooms {
		for _, post := range slices.Concat(r.Fresh, r.Symptoms) {
			if d.problem(post.Key).Revision == 0 {
				keys = append(keys, post.Key)
			}
		}
	}
	return keys
}

// asOpening returns a post as an opening of its trigger, with Zabbix's time if that is known.
func asOpening(post store.Post) store.Opening {
	o := store.Opening{Key: post.Key, OpenedAt: post.OpenedAt, Open: post.Open}
	if o.OpenedAt.IsZero() {
		o.OpenedAt = post.JoinedAt
	}
	return o
}
