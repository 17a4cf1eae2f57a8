package convergence

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
)

// judge reads a room several times a second, and collects false and late statements.
type judge struct {
	room     string
	openings []opening
	delay    time.Duration // of the route
	slow     time.Duration // what Webex's pace allows beyond that
	muted    []int         // problems that nobody has to be notified of

	seen     map[string]bool
	notified map[int]time.Duration // problem → when a message that was new named it
	faults   []string
}

const (
	lag   = 2 * time.Second  // for a payload and an edit to arrive
	tenth = 10 * time.Second // within which an opening that stays is notified, and its end shown
)

func newJudge(room string, openings []opening) *judge {
	return &judge{room: room, openings: openings, seen: map[string]bool{}, notified: map[int]time.Duration{}}
}

// allOver reports whether a message says that everything in it is resolved.
func allOver(m webexsim.MessageView) bool {
	head, _, _ := strings.Cut(m.Text, "\n")
	return saysResolved(webexsim.MessageView{Text: head}) && !strings.Contains(head, " open")
}

func (j *judge) fault(format string, args ...any) {
	if len(j.faults) < 5 {
		j.faults = append(j.faults, fmt.Sprintf(format, args...))
	}
}

func (j *judge) look(w *world, now time.Duration) {
	var open []opening // those that the room must show
	for _, o := range j.openings {
		if now > o.opens+o.late+j.delay+j.slow+lag && (o.resolves == 0 || now < o.resolves) && !slices.Contains(j.muted, o.problem) {
			open = append(open, o)
		}
	}
	for _, m := range w.sim.Timeline(j.room) {
		if m.Deleted || m.Card != nil && m.ParentID != "" {
			continue
		}
		var named []opening
		for _, o := range j.openings {
			if strings.Contains(m.Text, eventID(o.problem)) {
				named = append(named, o)
			}
		}
		if !j.seen[m.ID] {
			j.seen[m.ID] = true
			for _, o := range named {
				if _, ok := j.notified[o.problem]; !ok {
					j.notified[o.problem] = m.Created.Sub(epoch)
				}
			}
		}
		switch {
		case m.ParentID != "" || len(named) == 0:
		case allOver(m):
			if i := slices.IndexFunc(named, func(o opening) bool { return slices.ContainsFunc(open, o.is) }); i >= 0 {
				j.fault("at %v a message says that %d is resolved: %s", now, named[i].problem, m.Text)
			}
		default:
			j.checkOpen(m, named, now)
			open = slices.DeleteFunc(open, func(o opening) bool {
				return slices.ContainsFunc(named, func(n opening) bool { return n.is(o) || flapping(m) && n.sameAs(o) })
			})
		}
	}
	for _, o := range open {
		j.fault("at %v no message says that %d is open", now, o.problem)
	}
}

// checkOpen checks that something is open in a message that says so. A message may say so while a trigger keeps
// flapping.
func (j *judge) checkOpen(m webexsim.MessageView, named []opening, now time.Duration) {
	for _, o := range j.openings {
		known := max(o.resolves, o.opens+o.late)
		if now > o.opens && (o.resolves == 0 || now < known+tenth+j.slow+time.Second) && slices.ContainsFunc(named, o.sameAs) {
			return
		}
	}
	j.fault("at %v a message doesn't say resolved: %s", now, m.Text)
}

// is reports whether two openings are the same one; sameAs, whether they belong to the same trigger with the same
// name and tags.
func (o opening) is(other opening) bool { return o.problem == other.problem }
func (o opening) sameAs(other opening) bool {
	return o.trigger == other.trigger && o.name == other.name && maps.Equal(o.tags, other.tags)
}

// verdict returns all faults at the end.
func (j *judge) verdict() []string {
	for _, o := range j.openings {
		if slices.Contains(j.muted, o.problem) || o.resolves > 0 && o.resolves-o.opens-o.late <= tenth+j.delay+j.slow+time.Second {
			continue
		}
		at, ok := j.notified[o.problem]
		if !ok || at-o.opens-o.late > tenth+j.delay+j.slow {
			j.fault("the opening %d at %v, which stayed, was notified at %v", o.problem, o.opens, at)
		}
	}
	return j.faults
}

// turns returns openings of one trigger that resolve, except the last one if stays is set.
func turns(n int, down, up time.Duration, stays bool, like opening) (openings []opening) {
	at := like.opens
	for i := range n {
		o := like
		o.problem, o.opens, o.resolves = like.problem+i, at, at+down
		openings = append(openings, o)
		at += down + up
	}
	if stays {
		openings[n-1].resolves = 0
	}
	return openings
}

// Whatever else happens while triggers flap, the room says that an opening is open while it is, and "resolved" when all
// are; an opening that stays is notified within ten seconds; and the room gets few messages.
func TestFlappingWithOtherEvents(t *testing.T) {
	link := opening{trigger: "100", name: "Link down", host: "sw1", severity: alert.Average, opens: time.Second}
	db := link
	db.host = "db1"
	const twelve = 12 * time.Second
	for _, c := range []struct {
		name     string
		rooms    []string
		openings []opening
		change   func(s *schedule, openings []opening)
		judge    func(j *judge)
		most     int // roots in each room
		then     func(t *testing.T, w *world)
	}{
		{
			name: "a restart and a kill", rooms: []string{"noc"}, openings: turns(9, twelve, twelve, true, link), most: 5,
			change: func(s *schedule, o []opening) {
				s.Steps = append(s.Steps, step{At: o[4].opens + 5*time.Second, Kind: restart, For: 2 * time.Second},
					step{At: o[7].opens + 3*time.Second, Kind: crash, For: 2 * time.Second})
			},
			judge: func(j *judge) { j.slow = 4 * time.Second },
		},
		{
			name: "escalations", rooms: []string{"db", "line"}, openings: turns(9, 30*time.Second, 45*time.Second, true, db), most: 8,
			change: func(s *schedule, _ []opening) { s.Rules.Escalate = 20 * time.Second },
		},
		{
			name: "the room that it escalates to", rooms: []string{"ops"}, openings: turns(9, 30*time.Second, 45*time.Second, true, db), most: 9,
			change: func(s *schedule, _ []opening) { s.Rules.Escalate = 20 * time.Second },
			judge:  func(j *judge) { j.delay = 21 * time.Second },
		},
		{
			name: "reminders", rooms: []string{"db", "line"}, openings: turns(6, 4*time.Minute, time.Minute, true, db), most: 6,
			change: func(s *schedule, _ []opening) { s.Rules.Remind = time.Minute },
		},
		{
			name: "the severity rises to high", rooms: []string{"noc"}, openings: turns(8, 20*time.Second, twelve, true, link), most: 6,
			change: func(s *schedule, o []opening) {
				s.Steps = append(s.Steps, o[5].update(o[5].opens+8*time.Second, "changed severity from Average to High", map[string]string{"EVENT.NSEVERITY": "4"}))
			},
		},
		{
			name: "the severity rises to disaster", rooms: []string{"noc"}, openings: turns(8, 20*time.Second, twelve, true, link), most: 7,
			change: func(s *schedule, o []opening) {
				s.Steps = append(s.Steps, o[5].update(o[5].opens+8*time.Second, "changed severity from Average to Disaster", map[string]string{"EVENT.NSEVERITY": "5"}))
			},
		},
		{
			name: "each opening is more severe than the one before", rooms: []string{"ops"}, most: 9,
			openings: func() []opening {
				all := turns(9, twelve, twelve, true, link)
				for n := range all {
					all[n].severity = alert.Severity(min(5, n/2+1))
				}
				return all
			}(),
		},
		{
			name: "an acknowledgement", rooms: []string{"noc"}, openings: turns(8, 20*time.Second, twelve, true, link), most: 7,
			change: func(s *schedule, o []opening) {
				s.Steps = append(s.Steps, o[5].update(o[5].opens+8*time.Second, "acknowledged", map[string]string{"EVENT.ACK.STATUS": "Yes"}))
			},
		},
		{
			name: "the last opening is acknowledged at once", rooms: []string{"noc"}, openings: turns(8, 20*time.Second, twelve, true, link), most: 7,
			change: func(s *schedule, o []opening) {
				s.Steps = append(s.Steps, o[7].update(o[7].opens+3*time.Second, "acknowledged", map[string]string{"EVENT.ACK.STATUS": "Yes"}))
			},
		},
		{
			name: "somebody closes an opening", rooms: []string{"noc"}, openings: turns(8, 20*time.Second, twelve, false, link), most: 7,
			change: func(s *schedule, o []opening) {
				s.Steps = append(s.Steps, o[5].update(o[5].resolves, "closed", map[string]string{"EVENT.VALUE": "0", "EVENT.RECOVERY.ID": "9" + eventID(5), "EVENT.RECOVERY.TIMESTAMP": stamp(o[5].resolves)}))
			},
		},
		{
			name: "a maintenance", rooms: []string{"noc"}, openings: turns(8, 20*time.Second, twelve, true, link), most: 7,
			change: func(s *schedule, o []opening) {
				for n, at := range []time.Duration{o[5].opens + 5*time.Second, o[7].opens + 30*time.Second} {
					s.Steps = append(s.Steps, step{At: at, Kind: observe, Problem: o[5+2*n].problem, Truth: truth{
						Severity: alert.Average, Suppressed: true, Maintenance: true, Opened: o[5+2*n].opens, Seen: at, Host: "sw1", Name: "Link down"}})
				}
			},
		},
		{
			name: "presentations card and line", rooms: []string{"db", "line"}, openings: turns(9, twelve, twelve, true, db), most: 5,
		},
		{
			name: "a delay that is longer than the openings", rooms: []string{"db", "line"}, openings: turns(9, twelve, twelve, true, db), most: 1,
			change: func(s *schedule, _ []opening) { s.Rules.Delay = 20 * time.Second },
			judge:  func(j *judge) { j.delay = 20 * time.Second },
		},
		{
			name: "a delay that is shorter", rooms: []string{"db", "line"}, openings: turns(9, twelve, twelve, true, db), most: 5,
			change: func(s *schedule, _ []opening) { s.Rules.Delay = 3 * time.Second },
			judge:  func(j *judge) { j.delay = 3 * time.Second },
		},
		{
			name: "the end of quiet hours", rooms: []string{"line"}, openings: turns(12, twelve, twelve, true, db), most: 6,
			change: func(s *schedule, _ []opening) { s.Rules.Quiet = 2 * time.Minute },
			judge: func(j *judge) {
				for _, o := range j.openings {
					if o.opens < 2*time.Minute {
						j.muted = append(j.muted, o.problem)
					}
				}
			},
		},
		{
			name: "one port of a trigger flaps, another stays down", rooms: []string{"noc"}, most: 6,
			openings: func() []opening {
				port := func(n int) opening {
					o := link
					o.name, o.tags = fmt.Sprintf("Port %d down", n), map[string]string{"port": strconv.Itoa(n)}
					return o
				}
				one, two := port(1), port(2)
				two.problem, two.opens = 50, 30*time.Second
				return append(turns(9, twelve, twelve, false, one), turns(1, time.Hour, 0, true, two)...)
			}(),
			then: func(t *testing.T, w *world) {
				own := 0
				for _, m := range w.standing("noc") {
					if strings.Contains(m.Text, "Port 2 down") {
						own++
						require.False(t, flapping(m), m.Text)
						require.False(t, allOver(m), m.Text)
					}
				}
				require.Equal(t, 1, own)
			},
		},
		{
			name: "one tag of a trigger flaps, another stays down", rooms: []string{"noc"}, most: 6,
			openings: func() []opening {
				one, two := link, link
				one.tags, two.tags = map[string]string{"port": "1"}, map[string]string{"port": "2"}
				two.problem, two.opens = 50, 30*time.Second
				return append(turns(9, twelve, twelve, false, one), turns(1, time.Hour, 0, true, two)...)
			}(),
		},
		{
			name: "a slow room", rooms: []string{"noc"}, openings: turns(12, 3*time.Second, 3*time.Second, true, link), most: 4,
			change: func(s *schedule, _ []opening) { s.PerRoom = 0.5 },
			judge:  func(j *judge) { j.slow = 4 * time.Second },
		},
		{
			name: "payloads that take seconds", rooms: []string{"noc"}, most: 5,
			openings: func() []opening {
				all := turns(9, twelve, twelve, true, link)
				for n := range all {
					all[n].late = 3 * time.Second
				}
				return all
			}(),
		},
		{
			name: "a pause of half an hour", rooms: []string{"noc"}, most: 10,
			openings: func() []opening {
				again := link
				again.problem, again.opens = 20, 35*time.Minute
				return append(turns(6, twelve, twelve, false, link), turns(6, twelve, twelve, true, again)...)
			}(),
		},
		{
			name: "a backlog of an hour", rooms: []string{"noc", "ops"}, most: 6,
			judge: func(j *judge) { j.slow = 3 * time.Second }, // the last payloads arrive that much later
			openings: func() []opening {
				all := turns(120, 12*time.Second, 18*time.Second, true, link)
				for n := range all {
					all[n].late = time.Hour + 10*time.Second - all[n].opens
				}
				return all
			}(),
			change: func(s *schedule, o []opening) {
				for i := range s.Steps { // Zabbix sends what it couldn't, in order
					if s.Steps[i].At < time.Hour+10*time.Second {
						s.Steps[i].At = time.Hour + 10*time.Second
					}
					s.Steps[i].At += time.Duration(i) * 10 * time.Millisecond
				}
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := flapRules(c.openings)
			if c.change != nil {
				c.change(&s, c.openings)
				s.sort()
			}
			end := time.Duration(0)
			for _, o := range c.openings {
				end = max(end, o.opens+o.late, o.resolves)
			}
			var judges []*judge
			for _, room := range c.rooms {
				j := newJudge(room, c.openings)
				if c.judge != nil {
					c.judge(j)
				}
				judges = append(judges, j)
			}
			look := func(w *world, now time.Duration) {
				for _, j := range judges {
					j.look(w, now)
				}
			}
			require.Empty(t, playIn(t, s, watch(0, end+2*time.Minute, look), func(w *world) {
				for _, j := range judges {
					roots := w.standing(j.room)
					t.Logf("%s: %d roots, %d messages", j.room, len(roots), len(j.seen))
					if testing.Verbose() {
						for _, m := range roots {
							t.Logf("%v: %s", m.Created.Sub(epoch), m.Text)
						}
					}
					require.Empty(t, j.verdict(), j.room)
					require.LessOrEqual(t, len(roots), c.most, j.room)
				}
				if c.then != nil {
					c.then(t, w)
				}
			}))
		})
	}
}

// 240 triggers in two rooms with different settings, of which half resolve: the rooms count correctly, and name the
// triggers by one name without their numbers.
func TestHalfOfAStormResolves(t *testing.T) {
	const triggers, over = 240, time.Minute
	var openings []opening
	for n := range triggers {
		o := opening{
			problem: n, trigger: strconv.Itoa(1000 + n), name: fmt.Sprintf("db%03d: link down on port %d", n%60, n/60+1), host: fmt.Sprintf("db%03d", n%60),
			severity: alert.Average, opens: time.Duration(1+n/60) * time.Second,
		}
		if n%2 == 0 {
			o.resolves = over
		}
		openings = append(openings, o)
	}
	s := flapRules(openings)
	s.StormIn = map[string]config.Storm{"line": {Threshold: 100, Window: config.Duration(time.Minute), Individual: alert.High}}
	s.PerRoom = 5
	counts := map[string]string{}
	look := func(w *world, now time.Duration) {
		if now < over+tenth {
			return
		}
		for _, room := range []string{"db", "line"} {
			resolved := 0
			for _, m := range w.standing(room) {
				if found := openOnes.FindStringSubmatch(m.Text); found != nil {
					n, _ := strconv.Atoi(found[1])
					resolved += n
				} else if !allOver(m) {
					resolved++
				}
			}
			if resolved != triggers/2 && counts[room] == "" {
				counts[room] = fmt.Sprintf("at %v %d are open", now, resolved)
			}
		}
	}
	require.Empty(t, playIn(t, s, watch(over+tenth, over+tenth+time.Second, look), func(w *world) {
		require.Empty(t, counts)
		for _, room := range []string{"db", "line"} {
			roots := w.standing(room)
			require.LessOrEqual(t, len(roots), 10, room)
			big := slices.ContainsFunc(roots, func(m webexsim.MessageView) bool {
				return strings.Contains(strings.ToLower(m.Text), "link down on port #") && strings.Contains(m.Text, "60 hosts")
			})
			require.True(t, big, "%s: %v", room, roots)
		}
	}))
}
