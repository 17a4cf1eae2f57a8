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

// HiddenAuthor is what Zabbix calls the author of an update whom the receiving
// user may not see (measured on 6.0 and 7.0). It is nobody's name.
const HiddenAuthor = "Inaccessible user"

// The three ways in which the relay learns of one and the same update.
const (
	told  = "t" // by the webhook: local time, English words, perhaps no author
	asked = "a" // by the API: exact, with an identity
	did   = "d" // it did it itself, and knows for whom
)

// How far apart two tellings of one update can be.
const (
	second = int64(time.Second / time.Microsecond)
	minute = 60 * second
	// zoneStep is what time zones differ by: a payload's times are in the
	// recipient's, so that they are compared modulo this.
	zoneStep = 15 * minute
	// actionSlack is how far the relay's clock may be from Zabbix's.
	actionSlack = 2 * minute
	// tellingWindow is how far apart two tellings of one update are received.
	tellingWindow = 60 * minute
)

// piece is one telling of an update. Its message is that of the timeline entry
// it belongs to: tellings of one update have the same.
type piece struct {
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
	Blank   bool            `json:"z,omitempty"` // it doesn't say what was done
	Seen    int64           `json:"sn,omitempty"`
	Wide    bool            `json:"wd,omitempty"`

	message string
}

// The bits of Zabbix's event.acknowledge.
const (
	bitClose      = 1
	bitAck        = 2
	bitComment    = 4
	bitSeverity   = 8
	bitUnack      = 16
	bitSuppress   = 32
	bitUnsuppress = 64
	bitToCause    = 128
	bitToSymptom  = 256
)

func (a Actions) bits() int {
	bits := 0
	for _, b := range [...]struct {
		bit int
		set bool
	}{
		{bitClose, a.Close},
		{bitAck, a.Ack},
		{bitComment, a.Comment},
		{bitSeverity, a.Severity != nil},
		{bitUnack, a.Unack},
		{bitSuppress, a.Suppress},
		{bitUnsuppress, a.Unsuppress},
		{bitToCause, a.ToCause},
		{bitToSymptom, a.ToSymptom},
	} {
		if b.set {
			bits |= b.bit
		}
	}
	return bits
}

func (c piece) actions() Actions {
	return Actions{
		Close: c.Bits&bitClose != 0, Ack: c.Bits&bitAck != 0, Comment: c.Bits&bitComment != 0,
		Severity: c.Change, Unack: c.Bits&bitUnack != 0, Suppress: c.Bits&bitSuppress != 0,
		SuppressUntil: fromMicro(c.Until), Unsuppress: c.Bits&bitUnsuppress != 0,
		ToCause: c.Bits&bitToCause != 0, ToSymptom: c.Bits&bitToSymptom != 0, Other: c.Other,
	}
}

func newPiece(origin string, u Update, seenAt time.Time) piece {
	a := u.Actions
	c := piece{
		Origin: origin, At: micro(u.At), Exact: u.Exact || origin != told, AckID: u.AckID, Name: u.Actor.Name,
		Bits: a.bits(), Until: micro(a.SuppressUntil), Other: a.Other, message: strings.TrimSpace(u.Message),
	}
	if c.At == 0 {
		c.At = micro(seenAt)
	}
	if c.Name == HiddenAuthor {
		c.Name = ""
	}
	if a.Severity != nil {
		change := *a.Severity
		c.Change = &change
	}
	switch origin {
	case did:
		c.AckID, c.Email, c.Comment, c.Wide = "", u.Actor.Email, u.Comment, u.Wide
	case told:
		c.AckID = ""
		c.Seen = micro(seenAt)
		c.Blank = c.Bits == 0 && c.Other == "" && c.message == ""
	}
	return c
}

// newSeverity is the severity that the piece sets, -1 for none.
func (c piece) newSeverity() int {
	if c.Change == nil {
		return -1
	}
	return int(c.Change.New)
}

// key identifies a telling among those of the same origin. It never holds the
// author, who is named differently for different recipients.
func (c piece) key() string {
	switch {
	case c.Origin == asked:
		return "ack:" + c.AckID
	case c.Origin == did:
		return "did:" + strconv.FormatInt(c.At, 10) + ":" + c.words() + ":" + c.Email
	case c.Blank:
		return "told:blank:" + strconv.FormatInt(c.At/minute, 10)
	default:
		return "told:" + strconv.FormatInt(c.At/second, 10) + ":" + c.words()
	}
}

// words is a hash of what the telling says was done, which is the same in every time zone.
func (c piece) words() string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d|%d|%d|%s|%s", c.Bits, c.newSeverity(), c.Until%zoneStep, c.Other, messageKey(c.message))
	return strconv.FormatUint(h.Sum64(), 16)
}

// same says whether two tellings have the same key, without making it.
func (c piece) same(o piece) bool {
	if c.Origin != o.Origin {
		return false
	}
	switch {
	case c.Origin == asked:
		return c.AckID == o.AckID
	case c.Blank != o.Blank || c.Bits != o.Bits || c.newSeverity() != o.newSeverity() ||
		c.Until%zoneStep != o.Until%zoneStep || c.Other != o.Other || !SameMessage(c.message, o.message):
		return false
	case c.Origin == did:
		return c.At == o.At && c.Email == o.Email
	case c.Blank:
		return c.At/minute == o.At/minute
	default:
		return c.At/second == o.At/second
	}
}

// seen is when the relay received the telling; for an exact one, when the update happened.
func (c piece) seen() int64 {
	if c.Seen != 0 {
		return c.Seen
	}
	return c.At
}

// zoneError is how far a telling's time is from when it was received: the least of several
// zones is the right one.
func (c piece) zoneError() int64 {
	if c.Exact {
		return -1
	}
	return distance(c.At, c.Seen)
}

// zoneApart says whether two tellings of the same words, whose times are equal modulo
// zoneStep, can be one update told in two time zones. Where their receptions are as far apart
// as their times, somebody did the same again that much later. The tellings of one update
// arrive within tellingWindow: Zabbix tries no longer.
func zoneApart(c, o piece) bool {
	shift, gap := c.At-o.At, c.seen()-o.seen()
	if distance(c.At, o.At) < second {
		return true
	}
	return distance(c.seen(), o.seen()) <= tellingWindow && distance(shift, gap) > actionSlack
}

// merge takes the better part of each of two tellings that have the same key,
// and says whether anything changed.
func (c *piece) merge(o piece) bool {
	was := *c
	if better := cmp.Or(compareBool(o.Exact, c.Exact), cmp.Compare(c.At, o.At)); better > 0 {
		c.At, c.Exact = o.At, o.Exact
	}
	c.Name = named(c.Name, o.Name)
	c.Email = named(c.Email, o.Email)
	c.Comment = named(c.Comment, o.Comment)
	c.Bits |= o.Bits
	c.Until = firstKnown(c.Until, o.Until)
	c.Seen = firstKnown(c.Seen, o.Seen)
	c.Wide = c.Wide || o.Wide
	if o.Change != nil && (c.Change == nil || compareChange(*o.Change, *c.Change) < 0) {
		c.Change = o.Change
	}
	return *c != was
}

func compareChange(a, b SeverityChange) int {
	return cmp.Or(cmp.Compare(a.New, b.New), cmp.Compare(a.Old, b.Old))
}

func named(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return min(a, b)
}

func firstKnown(a, b int64) int64 {
	if a == 0 || b == 0 {
		return a + b
	}
	return min(a, b)
}

// zoneDistance is how far a telling in an unknown time zone is from an exact time.
func zoneDistance(a, b int64) int64 {
	d := (a - b) % zoneStep
	if d < 0 {
		d += zoneStep
	}
	return min(d, zoneStep-d)
}

func distance(a, b int64) int64 { return max(a-b, b-a) }

// within says whether what c did can be a part of what o did: Zabbix leaves
// out what is so already, and words for what it doesn't tell.
func (c piece) within(o piece) bool {
	if c.Bits&^o.Bits != 0 {
		return false
	}
	return c.Bits&bitSeverity == 0 || c.newSeverity() == o.newSeverity()
}

// orderPieces is an order that doesn't depend on what came first.
func orderPieces(a, b piece) int {
	return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(len(a.AckID), len(b.AckID)),
		strings.Compare(a.AckID, b.AckID), strings.Compare(a.key(), b.key()))
}

// pair is two tellings that can be of one update; the smaller the distance the
// likelier.
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

// group puts the tellings of each update together. It looks at the whole set,
// so that the order in which they came doesn't matter. Each group is a list of
// indexes into pieces, the most reliable telling first: asked, did, told.
func group(pieces []piece) [][]int {
	const none = -1
	toldOf, didOf := make([]int, len(pieces)), make([]int, len(pieces)) // of an asked or told piece
	home := make([]int, len(pieces))                                    // the piece whose group a told or did one joined
	for i := range pieces {
		toldOf[i], didOf[i], home[i] = none, none, none
	}
	mergeZones(pieces, home)
	pairUp := func(of []int, pairs []pair) {
		slices.SortFunc(pairs, orderPairs)
		for _, p := range pairs {
			if home[p.a] == none && of[p.b] == none {
				home[p.a], of[p.b] = p.b, p.a
			}
		}
	}
	pairUp(toldOf, candidates(pieces, told, asked, home))
	// What the same words at the same second say again is the same update, told
	// by another media type with fewer macros.
	var again []pair
	for _, p := range candidates(pieces, told, asked, home) {
		if p.distance == 0 && !pieces[p.a].Blank {
			again = append(again, p)
		}
	}
	slices.SortFunc(again, orderPairs)
	for _, p := range again {
		if home[p.a] == none {
			home[p.a] = p.b
		}
	}
	pairUp(didOf, candidates(pieces, did, asked, home))
	pairUp(didOf, candidates(pieces, did, told, home))

	var groups [][]int
	at := make(map[int]int) // the piece that leads a group → its index
	for i := range pieces {
		if home[i] == none {
			at[i] = len(groups)
			groups = append(groups, []int{i})
		}
	}
	for i := range pieces {
		if home[i] == none {
			continue
		}
		lead := home[i]
		for home[lead] != none {
			lead = home[lead]
		}
		groups[at[lead]] = append(groups[at[lead]], i)
	}
	rank := map[string]int{asked: 0, did: 1, told: 2}
	for _, g := range groups {
		slices.SortStableFunc(g, func(a, b int) int { return rank[pieces[a].Origin] - rank[pieces[b].Origin] })
	}
	return groups
}

// mergeZones gives a payload's telling the home of an earlier one that says the same in another
// time zone. The earliest received of each update stays without a home.
func mergeZones(pieces []piece, home []int) {
	var payloads []int
	for i, c := range pieces {
		if c.Origin == told && !c.Blank {
			payloads = append(payloads, i)
		}
	}
	if len(payloads) < 2 {
		return
	}
	slices.SortStableFunc(payloads, func(a, b int) int { return cmp.Compare(pieces[a].Seen, pieces[b].Seen) })
	type alike struct {
		moment int64
		words  string
	}
	first := map[alike][]int{}
	for _, i := range payloads {
		c := pieces[i]
		k := alike{c.At % zoneStep / second, c.words()}
		if j := slices.IndexFunc(first[k], func(j int) bool { return zoneApart(c, pieces[j]) }); j >= 0 {
			home[i] = first[k][j]
			continue
		}
		first[k] = append(first[k], i)
	}
}

// candidates are the pairs of a piece of origin a that has no home yet and one
// of origin b that has none either, which can be of one update.
func candidates(pieces []piece, a, b string, home []int) []pair {
	byMessage := make(map[string][]int)
	var blankable []int
	for j, o := range pieces {
		if o.Origin == b && home[j] < 0 {
			key := messageKey(o.message)
			byMessage[key] = append(byMessage[key], j)
			blankable = append(blankable, j)
		}
	}
	var pairs []pair
	for i, c := range pieces {
		if c.Origin != a || home[i] >= 0 {
			continue
		}
		others := byMessage[messageKey(c.message)]
		if c.Blank {
			others = blankable
		}
		for _, j := range others {
			if d, ok := alike(c, pieces[j]); ok {
				unlike := 1
				if c.Bits == pieces[j].Bits {
					unlike = 0
				}
				pairs = append(pairs, pair{unlike, d, distance(c.At, pieces[j].At), i, j})
			}
		}
	}
	return pairs
}

// alike says whether two tellings with the same message can be of one update,
// and how far apart their times are.
func alike(c, o piece) (int64, bool) {
	switch {
	case c.Origin == told && o.Origin == asked:
		d := zoneDistance(c.At, o.At)
		if c.Blank {
			return d, min(d, distance(c.At, o.At)) <= actionSlack
		}
		return d, d < second && c.within(o) && zoneApart(c, o)
	case c.Origin == did && o.Origin == asked:
		d := distance(c.At, o.At)
		return d, (d <= actionSlack || isMarked(c.message)) && o.within(c) && o.Bits != 0
	case c.Origin == did && o.Origin == told:
		d := zoneDistance(c.At, o.At)
		return d, (d <= actionSlack || isMarked(c.message)) && !o.Blank && o.within(c)
	default:
		return 0, false
	}
}
