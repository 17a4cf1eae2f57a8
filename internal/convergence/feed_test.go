package convergence

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"nms-alert-relay/internal/alert"
)

// eventID is the id of a problem, and nameOf its name. No other number of a run is similar, so a message's text
// says which problems it is about.
func eventID(problem int) string { return strconv.Itoa(70001 + problem) }
func nameOf(problem int) string  { return "trouble-" + eventID(problem) }

// truth is a problem's state in Zabbix at one moment.
type truth struct {
	Severity     alert.Severity
	Acknowledged bool
	Suppressed   bool
	Maintenance  bool
	Resolved     bool
	Gone         bool
	Opened       time.Duration // all times are since the start
	ResolvedAt   time.Duration
	Seen         time.Duration // when the API answered
	Host         string
	Cause        string // event id; "" for none
	Name         string // "" for nameOf
	Updates      []update
}

// update is one action on a problem in Zabbix.
type update struct {
	ID       int
	At       time.Duration
	Who      string
	Words    string // {EVENT.UPDATE.ACTION}
	Message  string
	Severity *alert.SeverityChange
	Ack      bool
	Unack    bool
	Suppress bool
}

// epoch is when a synctest bubble begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// lifeOf returns the payloads that Zabbix sends about the life of one problem: late, twice, out of order, to several
// addresses, or not at all.
func lifeOf(r *rand.Rand, n int, span time.Duration) []step {
	at := within(r, span/2).Truncate(time.Second) + time.Second
	t := truth{Severity: alert.Severity(r.IntN(6)), Opened: at, Maintenance: r.IntN(15) == 0}
	t.Suppressed = t.Maintenance
	l := &sender{r: r, problem: n, host: pick(r, "sw1", "db1", "line1"), late: r.IntN(3) == 0}
	if !t.Maintenance {
		l.send(t, alert.KindProblem, update{}, at)
		for range r.IntN(3) { // steps of an escalation
			l.send(t, alert.KindProblem, update{}, at+within(r, span/2))
		}
	}
	updates := r.IntN(5)
	if r.IntN(10) == 0 {
		updates = 14 // more than the edits that Webex allows
	}
	step := max(span/2/time.Duration(updates+2), 2*time.Second)
	for i := range updates {
		at += time.Second + within(r, step).Truncate(time.Second)
		u := happen(r, &t, n*100+i, at)
		l.send(t, alert.KindUpdate, u, at)
		if r.IntN(4) == 0 {
			l.see(t, at+time.Second)
		}
	}
	if r.IntN(4) > 0 {
		at += time.Second + within(r, step).Truncate(time.Second)
		t.Resolved, t.ResolvedAt = true, at
		l.send(t, alert.KindRecovery, update{}, at)
	} else if r.IntN(8) == 0 {
		t.Gone = true
		l.see(t, at+2*time.Second)
	}
	if r.IntN(3) == 0 {
		l.see(t, at+within(r, span/2))
	}
	return l.steps
}

// gust is a group of problems that open together, as when a switch fails.
type gust struct {
	first, many int // problems
	at, lasts   time.Duration
	worst       alert.Severity
	host        string
	over        int // which of them resolve: 0 none, 1 most, 2 all at about the same time
}

func (g gust) steps(r *rand.Rand, span time.Duration) (steps []step) {
	wide := r.IntN(4) == 0 // somebody says `ack all`
	end := g.at + g.lasts + time.Second + within(r, span/2)
	for n := g.first; n < g.first+g.many; n++ {
		at := (g.at + within(r, g.lasts)).Truncate(time.Second) + time.Second
		t := truth{Severity: g.worst, Opened: at}
		if r.IntN(4) == 0 {
			t.Severity = alert.Severity(r.IntN(6))
		}
		l := &sender{r: r, problem: n, host: g.host, late: r.IntN(8) == 0, most: g.lasts}
		l.send(t, alert.KindProblem, update{}, at)
		changed := at
		for i := range max(0, r.IntN(6)-3) {
			changed += time.Second + within(r, span/4).Truncate(time.Second)
			l.send(t, alert.KindUpdate, happen(r, &t, n*100+i, changed), changed)
		}
		if changed < end && (wide || r.IntN(12) == 0) {
			t.Acknowledged = true
			steps = append(steps, step{At: end - within(r, time.Second), Kind: act, Problem: n, Wide: wide})
		}
		if g.over == 2 || g.over == 1 && r.IntN(4) > 0 {
			t.Resolved, t.ResolvedAt = true, max(changed, end)+time.Second+within(r, 3*time.Second).Truncate(time.Second)
			l.send(t, alert.KindRecovery, update{}, t.ResolvedAt)
		}
		if r.IntN(8) == 0 {
			l.see(t, max(changed, t.ResolvedAt)+within(r, span/2))
		}
		steps = append(steps, l.steps...)
	}
	return steps
}

// happen changes a problem at random, and returns the update.
func happen(r *rand.Rand, t *truth, id int, at time.Duration) update {
	u := update{ID: id, At: at, Who: pick(r, "Alice", "Bob", "Carol")}
	switch r.IntN(5) {
	case 0, 1:
		u.Ack, u.Words, t.Acknowledged = true, "acknowledged", true
		if r.IntN(2) == 0 {
			u.Words, u.Message = "acknowledged and commented", fmt.Sprintf("on it, %d", id)
		}
	case 2:
		now := alert.Severity(r.IntN(6))
		if now == t.Severity {
			now = (now + 1) % 6
		}
		u.Severity = &alert.SeverityChange{Old: t.Severity, New: now}
		u.Words = fmt.Sprintf("changed severity from %s to %s", t.Severity.Title(), now.Title())
		t.Severity = now
	case 3:
		if t.Acknowledged {
			u.Unack, u.Words, t.Acknowledged = true, "unacknowledged", false
			break
		}
		fallthrough
	default:
		u.Words, u.Message = "commented", fmt.Sprintf("comment %d", id)
	}
	t.Updates = append(t.Updates[:len(t.Updates):len(t.Updates)], u)
	return u
}

// sender creates the payloads about one problem.
type sender struct {
	r       *rand.Rand
	problem int
	host    string
	trigger string
	late    bool          // messages overtake each other
	most    time.Duration // the longest delay of a message that isn't late; 0 for 3 s
	steps   []step
}

// send sends a change: usually once, sometimes twice or to several addresses.
func (l *sender) send(t truth, k alert.Kind, u update, at time.Duration) {
	if l.r.IntN(25) == 0 {
		return // Zabbix gave up, or an action's condition excluded it
	}
	times := 1
	if l.r.IntN(4) == 0 {
		times = 2 + l.r.IntN(2)
	}
	for i := range times {
		arrives := at + within(l.r, cmp.Or(l.most, 3*time.Second))
		if l.late {
			arrives += within(l.r, 40*time.Second)
		}
		to := ""
		if i > 0 || l.r.IntN(6) == 0 {
			to = pick(l.r, "", "", "db", "ops", person)
		}
		l.steps = append(l.steps, step{At: arrives, Kind: send, Problem: l.problem, Payload: l.payload(t, k, u, to, at)})
	}
}

func (l *sender) see(t truth, at time.Duration) {
	t.Seen, t.Host = at, l.host
	l.steps = append(l.steps, step{At: at + within(l.r, 2*time.Second), Kind: observe, Problem: l.problem, Truth: t})
}

func stamp(d time.Duration) string { return strconv.FormatInt(epoch.Add(d).Unix(), 10) }

// payload is a payload of the media type, with the macros that matter here.
func (l *sender) payload(t truth, k alert.Kind, u update, to string, at time.Duration) string {
	m := map[string]string{
		"EVENT.ID": eventID(l.problem), "EVENT.NAME": nameOf(l.problem), "EVENT.SOURCE": "0", "EVENT.OBJECT": "0",
		"EVENT.VALUE": "1", "EVENT.NSEVERITY": strconv.Itoa(int(t.Severity)), "EVENT.TIMESTAMP": stamp(t.Opened), "TIMESTAMP": stamp(at),
		"EVENT.ACK.STATUS": "No", "HOST.HOST": l.host, "ALERT.SENDTO": to,
	}
	if l.trigger != "" { // which opens again and again
		m["TRIGGER.ID"], m["EVENT.NAME"] = l.trigger, "trouble again"
	}
	if t.Acknowledged {
		m["EVENT.ACK.STATUS"] = "Yes"
	}
	switch k {
	case alert.KindUpdate:
		m["EVENT.UPDATE.STATUS"], m["EVENT.UPDATE.ACTION"], m["EVENT.UPDATE.MESSAGE"] = "1", u.Words, u.Message
		m["EVENT.UPDATE.TIMESTAMP"], m["USER.FULLNAME"] = stamp(u.At), u.Who
	case alert.KindRecovery:
		m["EVENT.VALUE"], m["EVENT.RECOVERY.ID"], m["EVENT.RECOVERY.TIMESTAMP"] = "0", "9"+eventID(l.problem), stamp(t.ResolvedAt)
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// action is a person's action through the relay, as internal/command journals it.
func action(wide bool, at time.Time) *alert.Update {
	return &alert.Update{At: at, Exact: true, Actor: alert.Actor{Name: "Dora", Email: "dora@example.com"}, Actions: alert.Actions{Ack: true}, Wide: wide}
}

// observation is the API's answer, as internal/zabbix returns it.
func (t truth) observation(problem int) *alert.Observation {
	at := epoch.Add(t.Seen)
	o := &alert.Observation{
		At: at, Gone: t.Gone, Name: cmp.Or(t.Name, nameOf(problem)), Opened: epoch.Add(t.Opened), Severity: t.Severity, Acknowledged: t.Acknowledged,
		Suppressed: t.Suppressed, ByHand: t.Suppressed && !t.Maintenance, Resolved: t.Resolved, ManualClose: problem%2 == 0, CanSuppress: true,
		Hosts: []alert.Host{{Host: t.Host}}, CauseEventID: t.Cause,
	}
	if t.Gone {
		return &alert.Observation{At: at, Gone: true}
	}
	if t.Resolved {
		o.ResolvedAt = epoch.Add(t.ResolvedAt)
	}
	for _, u := range t.Updates {
		o.Updates = append(o.Updates, alert.Update{
			AckID: strconv.Itoa(1 + u.ID), At: epoch.Add(u.At), Exact: true, Actor: alert.Actor{Name: u.Who}, Message: u.Message,
			Actions: alert.Actions{Ack: u.Ack, Unack: u.Unack, Comment: u.Message != "", Severity: u.Severity},
		})
	}
	return o
}
