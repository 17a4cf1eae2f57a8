package render

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/text"
)

// The longest length of each field, in runes.
const (
	maxName        = 300
	maxOpData      = 500
	maxHost        = 100
	maxTag         = 40
	maxActor       = 80
	maxOther       = 200
	maxLabel       = 80
	maxDescription = 1500
	maxRootCause   = 300
	maxRootComment = 400  // in the root
	maxComment     = 1500 // in the thread
	maxTimeline    = 50   // entries
)

// builder makes views. scale shortens every field: a message that is too long is made again with the next scale.
type builder struct {
	r       *Renderer
	p       *alert.Problem
	loc     *time.Location
	room    string
	lang    lang.Lang
	scale   int
	comment int // the longest comment
}

var scales = [...]int{1, 3, 10}

func (b *builder) limit(runes int) int { return max(runes/b.scale, 12) }

func (r *Renderer) builder(p *alert.Problem, room Room, scale int) *builder {
	return &builder{r: r, p: p, loc: orUTC(room.Location), room: room.Name, lang: room.Lang, scale: scale, comment: maxRootComment}
}

func (b *builder) view(room Room, now time.Time) *View {
	p := b.p
	v := &View{
		Source: limited(p.Key.Source, maxLabel), EventID: limited(p.Key.Original().EventID, maxLabel), ID: b.r.idOf(p.Key),
		Origin: Text(p.Origin), State: Text(p.State), Severity: p.Severity, HasSeverity: hasSeverity(p),
		Open: p.Open(), Resolved: p.State == alert.StateResolved, Acknowledged: p.Acknowledged,
		Owner: limited(p.Owner.Label(), b.limit(maxActor)), Suppressed: p.SuppressedAt(now), Cancelled: p.Cancelled && p.Open(), Gone: p.Gone, CanClose: p.CanClose,
		Name: limited(p.Name, b.limit(maxName)), OpData: limited(p.OpData, b.limit(maxOpData)),
		Trigger: limited(p.TriggerName, b.limit(maxName)), Description: limited(strings.TrimSpace(p.TriggerDescription), b.limit(maxDescription)),
		Item: limited(p.ItemName, b.limit(maxName)), Service: limited(p.Service, b.limit(maxName)),
		RootCause: limited(strings.TrimSpace(p.RootCause), b.limit(maxRootCause)),
		OpenedAt:  p.OpenedAt.In(b.loc), ResolvedAt: p.ResolvedAt.In(b.loc), SuppressedUntil: p.SuppressedUntil.In(b.loc), Now: now.In(b.loc),
		Lang: room.Lang.String(), ZabbixURL: b.r.problemURL(p), Room: limited(room.Name, maxLabel), Presentation: string(room.Presentation),
		lang: room.Lang, macros: p.Macros, facts: &p.Facts, limit: b.limit,
	}
	if p.RecoveredOpData != p.OpData && v.Resolved {
		v.RecoveredOpData = limited(p.RecoveredOpData, b.limit(maxOpData))
	}
	if !v.Suppressed {
		v.SuppressedUntil = time.Time{}
	}
	v.Period = formatPeriod(b.lang, v.Open, v.OpenedAt, v.ResolvedAt)
	b.lists(v)
	b.runbook(v)
	v.OpData, v.RecoveredOpData = once(p.Name, v.OpData), once(p.Name, v.RecoveredOpData)
	b.cause(v)
	v.Symptoms = symptomsOf(b.lang, b.p)
	if !room.HideMemory {
		v.Memory = b.memory(room)
	}
	b.describe(v)
	b.notes(v)
	return v
}

// hasSeverity reports whether a problem has a severity. If only updates of it came, "not classified" means unknown.
func hasSeverity(p *alert.Problem) bool {
	switch p.Origin {
	case alert.OriginInternal, alert.OriginDiscovery, alert.OriginAutoregistration:
		return false
	}
	return p.State != alert.StateUnknown || p.Severity != alert.NotClassified
}

func (b *builder) lists(v *View) {
	p := b.p
	v.Hosts = b.hosts(p.Hosts)
	for _, g := range p.Groups {
		if label := limited(g, b.limit(maxHost)); label != "" {
			v.Groups = append(v.Groups, label)
		}
	}
	for _, t := range p.Tags {
		if t.Tag == alert.LinkTag {
			continue
		}
		if name := limited(t.Tag, b.limit(maxTag)); name != "" {
			v.Tags = append(v.Tags, Tag{name, limited(t.Value, b.limit(maxTag))})
		}
	}
}

// hosts returns the labels of hosts.
func (b *builder) hosts(hosts []alert.Host) (labels []Text) {
	for _, h := range hosts {
		if label := limited(h.Label(), b.limit(maxHost)); label != "" {
			labels = append(labels, label)
		}
	}
	return labels
}

func (b *builder) runbook(v *View) {
	if b.p.TriggerURL == "" {
		return
	}
	target, host := safeURL(absoluteURL(b.p.TriggerURL, b.r.sources[b.p.Key.Source]))
	if target == "" {
		return
	}
	name := limited(b.p.TriggerURLName, b.limit(maxLabel))
	if name == "" {
		name = Text(b.lang.T("runbook"))
	}
	v.RunbookURL, v.RunbookLabel = target, name+" ("+limited(host, maxLabel)+")"
}

// idOf returns an event's id, with its source if there are several.
func (r *Renderer) idOf(k alert.Key) Text {
	k = k.Original()
	if len(r.sources) > 1 && k.Source != "" {
		return limited(k.String(), maxLabel)
	}
	return limited(k.EventID, maxLabel)
}

// problemURL returns the page of a problem in Zabbix; "" if its source has no address.
func (r *Renderer) problemURL(p *alert.Problem) URL {
	return URL(problemURL(r.sources[p.Key.Source], p))
}

// ProblemURL returns the page of a problem in the Zabbix with this base URL; "" without one.
func ProblemURL(base string, p alert.Problem) string {
	return problemURL(linkTarget(strings.TrimRight(base, "/")), &p)
}

func problemURL(base string, p *alert.Problem) string {
	if base == "" {
		return ""
	}
	if p.Origin == alert.OriginTrigger && isID(p.TriggerID) && isID(p.Key.EventID) {
		return base + "/tr_events.php?triggerid=" + p.TriggerID + "&eventid=" + p.Key.EventID
	}
	return base + "/zabbix.php?action=problem.view"
}

// isID reports whether s can be an id of Zabbix: 64 bits, in digits.
func isID(s string) bool {
	return s != "" && len(s) <= 20 && strings.Trim(s, "0123456789") == ""
}

// notes collects the updates that explain the present state.
func (b *builder) notes(v *View) {
	ack, comment := b.p.AcknowledgedBy(), b.p.LastComment()
	severity := b.newestUpdate(func(a alert.Actions) bool { return a.Severity != nil && a.Severity.New == b.p.Severity })
	suppress := b.newestUpdate(func(a alert.Actions) bool { return a.Suppress && v.Suppressed })
	closed := b.newestUpdate(func(a alert.Actions) bool { return a.Close })
	if suppress != nil && !suppress.Actions.SuppressUntil.Equal(b.p.SuppressedUntil) {
		suppress = nil // changed or replaced by a maintenance since
	}
	var all []*alert.Update
	note := func(u *alert.Update) *Entry {
		if u == nil {
			return nil
		}
		shown := *u
		shown.Actions = inEffect(u.Actions, *b.p, u == ack, u == severity, u == suppress, u == closed)
		e := b.entry(alert.Entry{Kind: alert.EntryUpdate, At: u.At, Update: &shown}, time.Time{})
		if !slices.Contains(all, u) {
			all = append(all, u)
			v.Notes = append(v.Notes, e)
		}
		return &e
	}
	v.Ack, v.SeverityChange = note(ack), note(severity)
	note(suppress)
	v.ClosedBy, v.LastComment = note(closed), note(comment)
	if v.Suppressed && suppress == nil && !v.SuppressedUntil.IsZero() {
		v.Notes = append(v.Notes, Entry{Kinds: []string{TellSuppressed}, Emoji: "🔕",
			Did: Text(b.lang.T("Suppressed until %s", stamp(b.lang, v.SuppressedUntil, time.Time{}, clockZone)))})
	}
	if b.p.Found() {
		v.Notes = append(v.Notes, Entry{Kinds: []string{TellOpened}, Emoji: "🔎", Did: capital(Text(b.lang.Of(foundWords)))})
	}
	if e := b.escalation(); e != nil {
		v.Notes = append(v.Notes, *e)
	}
	slices.SortStableFunc(v.Notes, func(a, b Entry) int { return a.At.Compare(b.At) })
}

// newestUpdate returns the last update with such actions; nil if there is none.
func (b *builder) newestUpdate(with func(alert.Actions) bool) *alert.Update {
	var newest *alert.Update
	for _, e := range b.p.Timeline {
		if u := e.Update; u != nil && with(u.Actions) && (newest == nil || !u.At.Before(newest.At)) {
			newest = u
		}
	}
	return newest
}

// inEffect keeps the actions of an update that are still in effect: the root must not say that somebody acknowledged a problem
// that isn't acknowledged any more. The comment stays.
func inEffect(a alert.Actions, p alert.Problem, ack, severity, suppress, closed bool) alert.Actions {
	a.Ack = a.Ack && ack
	a.Unack = a.Unack && !p.Acknowledged
	a.Suppress = a.Suppress && suppress
	a.Unsuppress = a.Unsuppress && !p.Suppressed
	a.Close = a.Close && closed
	a.ToSymptom = a.ToSymptom && p.CauseEventID != ""
	a.ToCause = a.ToCause && p.CauseEventID == ""
	if !severity {
		a.Severity = nil
	}
	a.Comment = true // at least the comment is left
	return a
}

// symptomsOf counts the symptoms of a problem; "" for none.
func symptomsOf(l lang.Lang, p *alert.Problem) string {
	s := p.Symptoms
	switch {
	case s.All == 0:
		return ""
	case s.Open == 0:
		return l.N(s.All, "%d symptom, resolved", "%d symptoms, resolved")
	case s.Open == s.All:
		return l.N(s.All, "%d symptom", "%d symptoms")
	}
	return l.N(s.All, "%d symptom, %d open", "%d symptoms, %d open", s.Open)
}

// cause names the cause of a symptom: from the stored problem, or else from the macros that Zabbix sent with the symptom.
func (b *builder) cause(v *View) {
	if b.p.CauseEventID == "" {
		return
	}
	key := alert.Key{Source: b.p.Key.Source, EventID: b.p.CauseEventID}
	v.Cause, v.CauseName = b.r.idOf(key), limited(b.p.Macros["event.cause.name"], b.limit(maxName))
	known, ok := b.r.problem(key)
	if !ok {
		return
	}
	v.CauseName, v.CauseURL = cmp.Or(limited(known.Name, b.limit(maxName)), v.CauseName), b.r.problemURL(&known)
	v.CauseHosts = b.hosts(known.Hosts)
}

// The name and the value of a log item are often the same long line. Above leastTwice characters it is shown only once.
const (
	leastTwice = 40
	sameHead   = 100
)

// once removes from a value the text that the name already contains.
func once(name string, value Text) Text {
	name, short := text.Line(name), strings.TrimSuffix(text.Line(string(value)), "…")
	if short == name {
		return ""
	}
	if utf8.RuneCountInString(short) < leastTwice {
		return value
	}
	if at := strings.Index(name, text.Cut(short, sameHead)); at >= 0 {
		rest := strings.TrimSuffix(strings.TrimSuffix(name[at:], "..."), "…") // Zabbix cuts names
		if strings.HasPrefix(rest, short) {
			return ""
		}
		if more, ok := strings.CutPrefix(short, rest); ok {
			return Text("… " + more)
		}
	}
	if utf8.RuneCountInString(name) >= sameHead {
		return Text(strings.Replace(string(value), name, "…", 1))
	}
	return value
}
