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

// A check of network discovery reports what it finds each time, not only when that changes: "up" is an event at every check.

// repeatMemory is how long ago the same state of a device or service may have been reported. Resolved problems are kept as long by default.
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
func (r *roomDraft) silenceRepeats() {
	for _, post := range r.posts {
		own, other := discoveredOpening(r.problem(post.Key))
		if own == 0 || !post.released || !r.rules.gatherable(post.Post) {
			continue
		}
		before := r.newestBefore(own, post.Post)
		if before.IsZero() || r.newestBefore(other, post.Post).After(before) {
			continue
		}
		post.TellAfter, post.PendingSince, post.joins, post.released = store.Never, time.Time{}, false, false
	}
}

// newestBefore returns when the last other post of an opening opened before a post; zero for none.
func (r *roomDraft) newestBefore(opening int64, post store.Post) (newest time.Time) {
	own := asOpening(post)
	consider := func(o store.Opening) {
		earlier := o.OpenedAt.Before(own.OpenedAt) || o.OpenedAt.Equal(own.OpenedAt) && lowerID(o.Key.EventID, own.Key.EventID)
		if o.Key != own.Key && earlier && o.OpenedAt.After(newest) {
			newest = o.OpenedAt
		}
	}
	for _, o := range r.known.Openings[opening] {
		consider(o)
	}
	for _, other := range r.posts {
		if other.Opening == opening {
			consider(asOpening(other.Post))
		}
	}
	return newest
}

// lowerID compares event ids, which are decimal numbers.
func lowerID(a, b string) bool { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) < 0 }
