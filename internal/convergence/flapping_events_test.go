package convergence

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/testrace"
)

// flapCase is something else that happens while triggers flap.
type flapCase struct {
	name     string
	rooms    []string
	openings []opening
	change   func(s *schedule, openings []opening)
	judge    func(j *judge)
	most     int // roots in each room
	then     func(t *testing.T, w *world)
}

// play fails unless each room says that an opening is open while it is, and "resolved" when all are; an opening that
// stays is notified within ten seconds; and the room gets few messages.
func (c flapCase) play(t *testing.T) {
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
}

func playEach(t *testing.T, cases []flapCase) {
	for _, c := range cases {
		t.Run(c.name, c.play)
	}
}

// link and db are openings of a trigger on a switch, and on a database's host.
var (
	link = opening{trigger: "100", name: "Link down", host: "sw1", severity: alert.Average, opens: time.Second}
	db   = opening{trigger: "100", name: "Link down", host: "db1", severity: alert.Average, opens: time.Second}
)

const twelve = 12 * time.Second

// A restart, a crash, a slow room, late payloads and pauses while triggers flap.
func TestFlappingAndInterruptions(t *testing.T) {
	testrace.Skip(t)
	playEach(t, []flapCase{
		{
			name: "a restart and a kill", rooms: []string{"noc"}, openings: turns(9, twelve, twelve, true, link), most: 5,
			change: func(s *schedule, o []opening) {
				s.Steps = append(s.Steps, step{At: o[4].opens + 5*time.Second, Kind: restart, For: 2 * time.Second},
					step{At: o[7].opens + 3*time.Second, Kind: crash, For: 2 * time.Second})
			},
			judge: func(j *judge) { j.slow = 4 * time.Second },
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
	})
}

// Escalations, reminders, delays, quiet hours and presentations while triggers flap.
func TestFlappingAndRouteSettings(t *testing.T) {
	testrace.Skip(t)
	playEach(t, []flapCase{
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
	})
}

// Changes of the problems while triggers flap: severity, acknowledgements, closing, maintenance.
func TestFlappingAndChanges(t *testing.T) {
	testrace.Skip(t)
	playEach(t, []flapCase{
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
	})
}

// Of two problems of one trigger only one flaps.
func TestFlappingOfOneOfTwo(t *testing.T) {
	playEach(t, []flapCase{
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
	})
}
