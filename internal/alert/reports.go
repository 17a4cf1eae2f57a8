package alert

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HiddenAuthor is Zabbix's name for an author that the receiving user may not see (measured on 6.0 and 7.0).
const HiddenAuthor = "Inaccessible user"

// The three sources of reports about updates.
const (
	fromPayload = "t" // local time, English words, perhaps no author
	fromAPI     = "a" // exact, with an id
	fromRelay   = "d" // the relay did it, on behalf of a known person
)

// How far apart two reports of one update can be.
const (
	second = int64(time.Second / time.Microsecond)
	minute = 60 * second
	// zoneStep is the step by which time zones differ. A payload's times are in the recipient's zone, and are
	// compared modulo this.
	zoneStep = 15 * minute
	// actionSlack is how far the relay's clock may be off Zabbix's.
	actionSlack = 2 * minute
	// reportWindow is how far apart two reports of one update arrive.
	reportWindow = 60 * minute
)

// report is one source's report of an update. Its message is stored in the update's timeline entry, since all reports
// of an update have the same one.
type report struct {
	Origin  string          `json:"o"`
	Seq     int             `json:"s"` // of the entry it is in
	At      int64           `json:"t"`
	Exact   bool            `json:"x,omitempty"`
	AckID   string          `json:"id,omitempty"`
	Name    string          `json:"n,omitempty"`
	Email   string          `json:"e,omitempty"`
	Comment string          `json:"c,omitempty"`
	Bits    int             `json:"b,omitempty"`
	Change  *SeverityChange `json:"v,omitempty"`
	Until   int64           `json:"u,omitempty"`
	Other   string          `json:"w,omitempty"`
	Blank   bool            `json:"z,omitempty"` // it doesn't name the actions
	Seen    int64           `json:"sn,omitempty"`
	Wide    bool            `json:"wd,omitempty"`
	Card    string          `json:"cd,omitempty"`
	Owner   ownership       `json:"ow,omitzero"`
	Found   bool            `json:"f,omitempty"` // only reconciliation reported it

	message string
}

func (c report) actions() Actions {
	a := ActionsOf(c.Bits)
	a.Severity, a.SuppressUntil, a.Other = c.Change, fromMicro(c.Until), c.Other
	return a
}

func newReport(origin string, u Update, seenAt time.Time) report {
	a := u.Actions
	c := report{
		Origin: origin, At: micro(u.At), Exact: u.Exact || origin != fromPayload, AckID: u.AckID, Name: u.Actor.Name,
		Bits: a.Bits(), Change: a.Severity, Until: micro(a.SuppressUntil), Other: a.Other, message: strings.TrimSpace(u.Message),
	}
	if c.At == 0 {
		c.At = micro(seenAt)
	}
	if c.Name == HiddenAuthor {
		c.Name = ""
	}
	switch origin {
	case fromRelay:
		c.AckID, c.Email, c.Comment, c.Wide, c.Card = "", u.Actor.Email, u.Comment, u.Wide, u.Card
		c.Owner = ownershipOf(u.Owner, u.At)
	case fromPayload:
		c.AckID = ""
		c.Seen = micro(seenAt)
		c.Blank = c.Bits == 0 && c.Other == "" && c.message == ""
	}
	return c
}

// newSeverity is the severity that the update sets, -1 for none.
func (c report) newSeverity() int {
	if c.Change == nil {
		return -1
	}
	return int(c.Change.New)
}

// key identifies a report among those of the same source. It has no author, whose name differs between recipients.
func (c report) key() string {
	switch {
	case c.Origin == fromAPI:
		return "ack:" + c.AckID
	case c.Origin == fromRelay:
		return "fromRelay:" + strconv.FormatInt(c.At, 10) + ":" + c.words() + ":" + c.Email
	case c.Blank:
		return "told:blank:" + strconv.FormatInt(c.At/minute, 10)
	default:
		return "told:" + strconv.FormatInt(c.At/second, 10) + ":" + c.words()
	}
}

// words is a hash of the actions, which is the same in every time zone.
func (c report) words() string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d|%d|%d|%s|%s", c.Bits, c.newSeverity(), c.Until%zoneStep, c.Other, messageKey(c.message))
	return strconv.FormatUint(h.Sum64(), 16)
}

// received is when the relay received the report; for an exact one, when the update happened.
func (c report) received() int64 {
	if c.Seen != 0 {
		return c.Seen
	}
	return c.At
}

// zoneError is how far a report's time is from its arrival. Of several zones the one with the least error is right.
func (c report) zoneError() int64 {
	if c.Exact {
		return -1
	}
	return distance(c.At, c.Seen)
}

// zoneApart reports whether two reports with the same words, whose times are equal modulo zoneStep, can be one update in
// two time zones. If their arrivals are as far apart as their times, somebody did the same again that much later. Reports
// of one update arrive within reportWindow, since Zabbix retries no longer.
func zoneApart(c, o report) bool {
	shift, gap := c.At-o.At, c.received()-o.received()
	if distance(c.At, o.At) < second {
		return true
	}
	return distance(c.received(), o.received()) <= reportWindow && distance(shift, gap) > actionSlack
}

// merge takes the better parts of another report with the same key. It reports whether anything changed.
func (c *report) merge(o report) bool {
	was := *c
	if better := cmp.Or(number(o.Exact)-number(c.Exact), cmp.Compare(c.At, o.At)); better > 0 {
		c.At, c.Exact = o.At, o.Exact
	}
	c.Name = least(c.Name, o.Name)
	c.Email = least(c.Email, o.Email)
	c.Comment = least(c.Comment, o.Comment)
	c.Bits |= o.Bits
	c.Until = least(c.Until, o.Until)
	c.Seen = least(c.Seen, o.Seen)
	c.Wide = c.Wide || o.Wide
	c.Card = least(c.Card, o.Card)
	improve(&c.Owner, o.Owner)
	c.Found = c.Found && o.Found
	if o.Change != nil && (c.Change == nil || compareChange(*o.Change, *c.Change) < 0) {
		c.Change = o.Change
	}
	return *c != was
}

func compareChange(a, b SeverityChange) int {
	return cmp.Or(cmp.Compare(a.New, b.New), cmp.Compare(a.Old, b.Old))
}

// zoneDistance is how far a time in an unknown time zone is from an exact one.
func zoneDistance(a, b int64) int64 {
	d := (a - b) % zoneStep
	if d < 0 {
		d += zoneStep
	}
	return min(d, zoneStep-d)
}

func distance(a, b int64) int64 { return max(a-b, b-a) }

// within reports whether c's actions can be a part of o's: Zabbix omits actions without effect, and those for which
// it has no text.
func (c report) within(o report) bool {
	if c.Bits&^o.Bits != 0 {
		return false
	}
	return c.Bits&BitSeverity == 0 || c.newSeverity() == o.newSeverity()
}

// orderReports doesn't depend on the order of arrival.
func orderReports(a, b report) int {
	return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(len(a.AckID), len(b.AckID)),
		strings.Compare(a.AckID, b.AckID), strings.Compare(a.key(), b.key()))
}

// pair is two reports that can be of one update; the smaller their distance, the likelier.
type pair struct {
	unlike   int // 0: they did exactly the same
	distance int64
	far      int64
	a, b     int
}

func orderPairs(x, y pair) int {
	return cmp.Or(cmp.Compare(x.unlike, y.unlike), cmp.Compare(x.distance, y.distance), cmp.Compare(x.far, y.far),
		cmp.Compare(x.b, y.b), cmp.Compare(x.a, y.a))
}

// group puts the reports of each update together. It looks at the whole set, so that the order of arrival doesn't matter.
// Each group is a list of indexes into reports, the most reliable first: fromAPI, fromRelay, fromPayload.
func group(reports []report) [][]int {
	const none = -1
	payloadOf, relayOf := make([]int, len(reports)), make([]int, len(reports)) // of the API's or a payload's report
	home := make([]int, len(reports))                                          // the report whose group this one joined
	for i := range reports {
		payloadOf[i], relayOf[i], home[i] = none, none, none
	}
	mergeZones(reports, home)
	// pairUp makes the second report of each pair the home of the first, unless of shows that it is another one's
	// home.
	pairUp := func(of []int, pairs []pair) {
		slices.SortFunc(pairs, orderPairs)
		for _, p := range pairs {
			if home[p.a] == none && (of == nil || of[p.b] == none) {
				home[p.a] = p.b
				if of != nil {
					of[p.b] = p.a
				}
			}
		}
	}
	pairUp(payloadOf, candidates(reports, fromPayload, fromAPI, home))
	// The same words at the same second are the same update, from another media type with fewer macros.
	again := candidates(reports, fromPayload, fromAPI, home)
	pairUp(nil, slices.DeleteFunc(again, func(p pair) bool { return p.distance != 0 || reports[p.a].Blank }))
	pairUp(relayOf, candidates(reports, fromRelay, fromAPI, home))
	pairUp(relayOf, candidates(reports, fromRelay, fromPayload, home))

	var groups [][]int
	at := make(map[int]int) // the first report of a group → the group's index
	for i := range reports {
		if home[i] == none {
			at[i] = len(groups)
			groups = append(groups, []int{i})
		}
	}
	for i := range reports {
		if home[i] == none {
			continue
		}
		lead := home[i]
		for home[lead] != none {
			lead = home[lead]
		}
		groups[at[lead]] = append(groups[at[lead]], i)
	}
	rank := map[string]int{fromAPI: 0, fromRelay: 1, fromPayload: 2}
	for _, g := range groups {
		slices.SortStableFunc(g, func(a, b int) int { return rank[reports[a].Origin] - rank[reports[b].Origin] })
	}
	return groups
}

// mergeZones gives a payload's report the home of an earlier one with the same content in another time zone. The
// first one of each update stays without a home.
func mergeZones(reports []report, home []int) {
	var payloads []int
	for i, c := range reports {
		if c.Origin == fromPayload && !c.Blank {
			payloads = append(payloads, i)
		}
	}
	if len(payloads) < 2 {
		return
	}
	slices.SortStableFunc(payloads, func(a, b int) int { return cmp.Compare(reports[a].Seen, reports[b].Seen) })
	type alike struct {
		moment int64
		words  string
	}
	first := map[alike][]int{}
	for _, i := range payloads {
		c := reports[i]
		k := alike{c.At % zoneStep / second, c.words()}
		if j := slices.IndexFunc(first[k], func(j int) bool { return zoneApart(c, reports[j]) }); j >= 0 {
			home[i] = first[k][j]
			continue
		}
		first[k] = append(first[k], i)
	}
}

// candidates are the pairs of reports from source a and source b, both without a home, that can be of one update.
func candidates(reports []report, a, b string, home []int) []pair {
	byMessage := make(map[string][]int)
	var blankable []int
	for j, o := range reports {
		if o.Origin == b && home[j] < 0 {
			key := messageKey(o.message)
			byMessage[key] = append(byMessage[key], j)
			blankable = append(blankable, j)
		}
	}
	var pairs []pair
	for i, c := range reports {
		if c.Origin != a || home[i] >= 0 {
			continue
		}
		others := byMessage[messageKey(c.message)]
		if c.Blank {
			others = blankable
		}
		for _, j := range others {
			if d, ok := alike(c, reports[j]); ok {
				pairs = append(pairs, pair{number(c.Bits != reports[j].Bits), d, distance(c.At, reports[j].At), i, j})
			}
		}
	}
	return pairs
}

// alike reports whether two reports with the same message can be of one update, and how far apart their times are.
func alike(c, o report) (int64, bool) {
	switch {
	case c.Origin == fromPayload && o.Origin == fromAPI:
		d := zoneDistance(c.At, o.At)
		if c.Blank {
			return d, min(d, distance(c.At, o.At)) <= actionSlack
		}
		return d, d < second && c.within(o) && zoneApart(c, o)
	case c.Origin == fromRelay && o.Origin == fromAPI:
		d := distance(c.At, o.At)
		return d, (d <= actionSlack || isMarked(c.message)) && o.within(c) && o.Bits != 0
	case c.Origin == fromRelay && o.Origin == fromPayload:
		d := zoneDistance(c.At, o.At)
		return d, (d <= actionSlack || isMarked(c.message)) && !o.Blank && o.within(c)
	default:
		return 0, false
	}
}
