package alert

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// The keys of the entries that a problem has once at most.
const (
	keyOpened    = "opened"
	keyResolved  = "resolved"
	keyCancelled = "cancelled"
	keyOccurred  = "occurred"
)

// takePieces adds tellings of updates to those known, and says whether that
// changed anything.
func (p *Problem) takePieces(tellings []piece) (changed bool) {
	if len(tellings) == 0 {
		return false
	}
	pieces := p.pieces()
	for _, c := range tellings {
		i := slices.IndexFunc(pieces, c.same)
		if i < 0 {
			pieces = append(pieces, c)
			changed = true
			continue
		}
		if pieces[i].merge(c) {
			changed = true
		}
	}
	if changed {
		p.Merge.Pieces = bounded(pieces)
	}
	return changed
}

// How many tellings of updates a problem keeps: a script that comments each minute for a month
// must not make every later event as expensive as all that came before.
var keepFirst, keepNewest = 20, 480

// bounded drops tellings where there are too many: all but the first, the newest, and the newest
// of each thing that can be done, which say why the problem is as it is. What is dropped would be
// dropped in any order of arrival, since the ranks of a telling only fall as more come.
func bounded(pieces []piece) []piece {
	if len(pieces) <= keepFirst+keepNewest {
		return pieces
	}
	slices.SortFunc(pieces, orderPieces)
	newest := map[int]int{} // by bit
	for i, c := range pieces {
		for bit := bitClose; bit <= bitToSymptom; bit <<= 1 {
			if c.Bits&bit != 0 {
				newest[bit] = i
			}
		}
	}
	decides := map[int]bool{}
	for _, i := range newest {
		decides[i] = true
	}
	kept := pieces[:0]
	for i, c := range pieces {
		if i < keepFirst || i >= len(pieces)-keepNewest || decides[i] {
			kept = append(kept, c)
		}
	}
	return kept
}

// pieces is a copy of the known tellings, with their messages.
func (p *Problem) pieces() []piece {
	if len(p.Merge.Pieces) == 0 {
		return nil
	}
	messages := make(map[int]string, len(p.Timeline))
	for _, e := range p.Timeline {
		if e.Update != nil {
			messages[e.Seq] = e.Update.Message
		}
	}
	pieces := slices.Clone(p.Merge.Pieces)
	for i := range pieces {
		if !pieces[i].Blank && pieces[i].message == "" {
			pieces[i].message = messages[pieces[i].Seq]
		}
	}
	return pieces
}

// retell makes the timeline from what is known. Entries keep the Seq that they
// first had; one that two were merged into has the lower one.
func (p *Problem) retell() {
	var entries []Entry
	add := func(key string, kind EntryKind, at time.Time) {
		e := Entry{Key: key, Kind: kind, At: at}
		if i := slices.IndexFunc(p.Timeline, func(old Entry) bool { return old.Key == key }); i >= 0 {
			e.Seq = p.Timeline[i].Seq
		}
		entries = append(entries, e)
	}
	if p.State == StateOccurred {
		add(keyOccurred, EntryOccurred, p.OpenedAt)
	} else if p.Announced {
		add(keyOpened, EntryOpened, p.OpenedAt)
	}
	if at := p.endedAt(); !at.IsZero() {
		add(keyResolved, EntryResolved, at)
	}
	if p.Merge.Cancelled != 0 {
		add(keyCancelled, EntryCancelled, fromMicro(p.Merge.Cancelled))
	}
	for _, n := range p.Merge.Nudges {
		add(n.entry(), n.Kind, n.At)
		entries[len(entries)-1].Nudge = &n
	}

	pieces := p.pieces()
	for i := range pieces {
		if pieces[i].Change != nil {
			change := *pieces[i].Change
			pieces[i].Change = &change
		}
	}
	slices.SortFunc(pieces, orderPieces)
	groups := group(pieces)
	updates := make([]Entry, len(groups))
	used := make(map[int]bool, len(groups))
	for i, g := range groups {
		updates[i] = newEntry(pieces, g)
		for _, j := range g {
			if seq := pieces[j].Seq; seq > 0 && !used[seq] && (updates[i].Seq == 0 || seq < updates[i].Seq) {
				updates[i].Seq = seq
			}
		}
		used[updates[i].Seq] = true
	}
	if p.Origin == OriginService {
		chainSeverities(pieces, groups, updates)
	}
	entries = append(entries, updates...)

	order := make([]*Entry, len(entries))
	for i := range entries {
		order[i] = &entries[i]
	}
	slices.SortStableFunc(order, func(a, b *Entry) int { return tellingOrder(*a, *b) })
	for _, e := range order {
		if e.Seq == 0 {
			p.Merge.Seq++
			e.Seq = p.Merge.Seq
		}
	}
	for i, g := range groups {
		for _, j := range g {
			pieces[j].Seq = entries[len(entries)-len(updates)+i].Seq
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	for i := range pieces {
		pieces[i].message = "" // it is in the timeline
	}
	p.Timeline, p.Merge.Pieces = entries, pieces
}

// tellingOrder is the order in which entries that came together are told.
func tellingOrder(a, b Entry) int {
	first := func(e Entry) int {
		if e.Key == keyOpened || e.Key == keyOccurred {
			return 0
		}
		return 1
	}
	last := func(e Entry) int {
		if e.Key == keyResolved {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(first(a), first(b)), a.At.Compare(b.At), cmp.Compare(last(a), last(b)),
		strings.Compare(a.Key, b.Key))
}

// newEntry makes the entry of one update from its tellings, the most reliable
// first: what the API says, then the relay's own act, then the payload. Only
// the actor and the comment are best known to the relay, where it did it.
func newEntry(pieces []piece, g []int) Entry {
	var api, own, payload *piece
	name := ""
	for _, i := range g {
		c := &pieces[i]
		switch {
		case c.Origin == asked:
			api = cmp.Or(api, c)
		case c.Origin == did:
			own = cmp.Or(own, c)
		default:
			if payload == nil || c.zoneError() < payload.zoneError() {
				payload = c
			}
			name = named(name, c.Name)
		}
	}
	lead := cmp.Or(api, payload, own)
	u := &Update{AckID: lead.AckID, Message: lead.message, Actor: Actor{Name: lead.Name}}
	when := lead
	if own != nil && !lead.Exact {
		when = own
	}
	u.At, u.Exact = fromMicro(when.At), when.Exact
	what := lead
	if own != nil && lead.Other != "" {
		what = own
	}
	u.Actions = what.actions()
	if own != nil && lead == payload && own.Until != 0 {
		u.Actions.SuppressUntil = fromMicro(own.Until)
	}
	if u.Actor.Name == "" || lead == payload {
		u.Actor.Name = name
	}
	if own != nil {
		u.Comment, u.Wide = own.Comment, own.Wide
		if own.Name != "" || own.Email != "" {
			u.Actor = Actor{Name: own.Name, Email: own.Email}
		}
	}
	return Entry{Key: lead.key(), Kind: EntryUpdate, At: u.At, Update: u}
}

// chainSeverities gives each change of a service's severity the one before it
// as the old one: a payload has only the one that the service's problem began
// with.
func chainSeverities(pieces []piece, groups [][]int, updates []Entry) {
	type change struct {
		seen, at int64
		entry    int
	}
	var changes []change
	for i, g := range groups {
		if updates[i].Update.Actions.Severity == nil {
			continue
		}
		seen := int64(0)
		for _, j := range g {
			seen = firstKnown(seen, pieces[j].Seen)
		}
		changes = append(changes, change{seen, micro(updates[i].At), i})
	}
	slices.SortFunc(changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.seen, b.seen), cmp.Compare(a.at, b.at), strings.Compare(updates[a.entry].Key, updates[b.entry].Key))
	})
	for i, c := range changes {
		if i > 0 {
			chained := *updates[c.entry].Update.Actions.Severity
			chained.Old = updates[changes[i-1].entry].Update.Actions.Severity.New
			updates[c.entry].Update.Actions.Severity = &chained
		}
	}
}
