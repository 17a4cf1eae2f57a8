package ledger

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// repeatMemory is how long ago the state of a device or service may have been reported. Network discovery reports what it finds
// at each check, not only when that changes. Resolved problems are kept as long by default.
const repeatMemory = 30 * 24 * time.Hour

// discoveredOpening identifies a discovered device or service together with its state; other is the same with the opposite one.
// Both are 0 for everything else.
func discoveredOpening(p alert.Problem) (own, other int64) {
	if p.Origin != alert.OriginDiscovery {
		return 0, 0
	}
	status := p.Macros["discovery.device.status"]
	what := []string{p.Key.Source, string(p.Origin), p.Macros["discovery.rule.name"], cmp.Or(p.Macros["discovery.device.ipaddress"], p.Macros["discovery.device.dns"])} // a name isn't always found
	if service := p.Macros["discovery.service.name"]; service != "" {
		status = p.Macros["discovery.service.status"]
		what = append(what, service, p.Macros["discovery.service.port"])
	}
	if what[3] == "" {
		return 0, 0
	}
	hash := func(state string) int64 {
		sum := sha256.Sum256(part(nil, append(slices.Clone(what), state)...))
		return int64(binary.BigEndian.Uint64(sum[:])>>1 | 1)
	}
	switch strings.ToUpper(status) {
	case "UP":
		return hash("UP"), hash("DOWN")
	case "DOWN":
		return hash("DOWN"), hash("UP")
	}
	return 0, 0
}

// silenceRepeats leaves out discovered devices and services whose state the room was told before, and that had no other since.
// An event that arrives after one of a later state is left out, too: the room shows the present.
func (r *roomDraft) silenceRepeats() {
	for _, post := range r.posts {
		own, other := discoveredOpening(r.problem(post.Key))
		if own == 0 || !post.released || !r.rules.gatherable(post.Post) {
			continue
		}
		if last := r.lastState(post.Post, own, other); last == 0 || last == other {
			continue
		}
		post.TellAfter, post.PendingSince, post.joins, post.released = store.Never, time.Time{}, false, false
	}
}

// lastState returns which of two states, own or other, was reported last before a post, 0 for none. It is own if a stored event
// is later than the post.
func (r *roomDraft) lastState(post store.Post, own, other int64) (state int64) {
	self, last := asOpening(post), store.Opening{}
	for _, s := range []int64{own, other} {
		for _, o := range r.known.Openings[s] {
			if o.Key != self.Key && precedes(self, o) {
				return own
			}
		}
		for _, o := range slices.Concat(r.known.Openings[s], r.batchOpenings(s)) {
			if o.Key != self.Key && precedes(o, self) && (state == 0 || precedes(last, o)) {
				last, state = o, s
			}
		}
	}
	return state
}

// batchOpenings returns the batch's posts of an opening.
func (r *roomDraft) batchOpenings(opening int64) (all []store.Opening) {
	for _, post := range r.posts {
		if post.Opening == opening {
			all = append(all, asOpening(post.Post))
		}
	}
	return all
}

// precedes orders events by Zabbix's times, which have whole seconds, and then by their ids, which are decimal numbers.
func precedes(a, b store.Opening) bool {
	x, y := a.Key.EventID, b.Key.EventID
	return cmp.Or(a.OpenedAt.Compare(b.OpenedAt), cmp.Compare(len(x), len(y)), strings.Compare(x, y)) < 0
}
