package convergence

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
)

// kind is the kind of a step.
type kind string

const (
	send     kind = "send"     // a source sends a payload, and retries until it is accepted or gives up
	observe  kind = "observe"  // the API's answer about a problem, as the relay journals it
	act      kind = "act"      // somebody acknowledged by a button, or with others by `ack all`, as the relay journals it
	limit    kind = "limit"    // Webex answers 429
	fail     kind = "fail"     // Webex answers 5xx
	lose     kind = "lose"     // the connection is closed instead of an answer
	slow     kind = "slow"     // Webex answers late, or too late
	refuse   kind = "refuse"   // Webex answers 400 to one request
	outage   kind = "outage"   // Webex answers 503 to everything
	revoke   kind = "revoke"   // a bot's token is refused, until restore
	restore  kind = "restore"  //
	expel    kind = "expel"    // a bot is removed from a room
	readmit  kind = "readmit"  // it is added again, and an operator replays the dead letters
	erase    kind = "erase"    // a moderator deletes the root of a problem
	diskFull kind = "diskfull" // the store can't write for a while
	crash    kind = "crash"    // kill -9, and a start later
	restart  kind = "restart"  // a stop that drains, and a start later
)

// step is one event of a schedule. Kind determines which fields apply.
type step struct {
	At   time.Duration // since the start
	Kind kind

	Problem int    // send, observe, act, erase
	Payload string // send: JSON
	Truth   truth  // observe
	Wide    bool   // act: with others

	Op         string // of Webex's API; "" for any
	Room       string // "" for any
	Bot        int
	Skip       int
	Count      int
	Status     int
	RetryAfter int // seconds
	Taken      bool
	For        time.Duration
}

func (s step) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%9.3fs %-8s", s.At.Seconds(), s.Kind)
	switch s.Kind {
	case send:
		fmt.Fprintf(&b, " %s", s.Payload)
	case observe:
		fmt.Fprintf(&b, " %s %+v", eventID(s.Problem), s.Truth)
	case act:
		fmt.Fprintf(&b, " %s wide=%v", eventID(s.Problem), s.Wide)
	case erase:
		fmt.Fprintf(&b, " the root of %s in %s", eventID(s.Problem), s.Room)
	case limit, fail, lose, slow, refuse:
		fmt.Fprintf(&b, " %d times after %d, op=%q room=%q status=%d retry-after=%d taken=%v delay=%v", s.Count, s.Skip, s.Op, s.Room, s.Status, s.RetryAfter, s.Taken, s.For)
	case outage, crash, restart, diskFull:
		fmt.Fprintf(&b, " for %v", s.For)
	case revoke, restore:
		fmt.Fprintf(&b, " bot %d", s.Bot)
	case expel, readmit:
		fmt.Fprintf(&b, " room %s", s.Room)
	}
	return b.String()
}

// rules are further settings of the routes of hosts db* and line*, and of their rooms.
type rules struct {
	Delay      time.Duration // a problem that resolves within it is never posted
	Escalate   time.Duration // to the room ops, mentioning Alice; 0 for never
	Remind     time.Duration // 0 for never
	AckExpires time.Duration // how long an acknowledgement lasts; 0 for good
	Quiet      time.Duration // end of the room line's quiet hours, below high; whole minutes
	Flapping   config.Flapping
}

// schedule is a whole run: the environment, and the steps.
type schedule struct {
	Seed    uint64
	Workers int
	Rate    float64 // calls per second that delivery starts with
	Storm   config.Storm
	StormIn map[string]config.Storm // rooms with settings of their own
	Rules   rules
	Ranks   bool // some problems are symptoms of others

	PerAccount, PerRoom float64       // Webex's limits per second; 0 for none
	Network, Disk       time.Duration // longest duration of a request, an answer, a read or a write
	Steps               []step
}

func (s schedule) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d workers, %.3g calls/s, storm %+v, rules %+v; Webex allows %.3g/s an account, %.3g/s a room; network ≤ %v, disk ≤ %v\n",
		s.Seed, s.Workers, s.Rate, s.Storm, s.Rules, s.PerAccount, s.PerRoom, s.Network, s.Disk)
	for _, step := range s.Steps {
		fmt.Fprintf(&b, "  %v\n", step)
	}
	return b.String()
}

// stormIn returns a room's settings.
func (s schedule) stormIn(room string) config.Storm {
	if storm, own := s.StormIn[room]; own {
		return storm
	}
	return s.Storm
}

// has reports whether any step is of one of these kinds.
func (s schedule) has(kinds ...kind) bool {
	return slices.ContainsFunc(s.Steps, func(st step) bool { return slices.Contains(kinds, st.Kind) })
}

// end is when the last step has happened and its effect has ended.
func (s schedule) end() time.Duration {
	var end time.Duration
	for _, st := range s.Steps {
		end = max(end, st.At+st.For)
	}
	return end
}

// of returns the schedule of a seed. It is the same schedule only with the same version of this file.
func of(seed uint64) schedule {
	r := rand.New(rand.NewPCG(seed, 7))
	s := schedule{Seed: seed, Workers: 1 + r.IntN(4), Rate: pick(r, 2.0, 10, 20)}
	if r.IntN(3) > 0 {
		s.Network = pick(r, 5*time.Millisecond, 80*time.Millisecond, 900*time.Millisecond)
	}
	if r.IntN(2) > 0 {
		s.Disk = pick(r, time.Millisecond, 20*time.Millisecond, 300*time.Millisecond)
	}
	if r.IntN(4) == 0 {
		s.PerAccount = pick(r, 0.5, 2, 8)
	}
	if r.IntN(4) == 0 {
		s.PerRoom = pick(r, 0.3, 1, 4)
	}

	span := pick(r, 10*time.Second, time.Minute, 5*time.Minute)
	problems := 1 + r.IntN(6)
	if r.IntN(12) == 0 {
		problems = 15 // a small storm
	}
	for n := range problems {
		s.Steps = append(s.Steps, lifeOf(r, n, span)...)
	}
	if r.IntN(3) > 0 {
		problems += s.storm(r, problems, span)
	}
	if r.IntN(3) == 0 {
		problems += s.rule(r, problems, span)
	}
	for range r.IntN(7) {
		s.Steps = append(s.Steps, trouble(r, problems, span)...)
	}
	s.sort()
	return s
}

// storm enables digests and adds gusts of problems, at a pace that may be too slow for them. It returns the number
// of problems.
func (s *schedule) storm(r *rand.Rand, first int, span time.Duration) (problems int) {
	s.Storm = config.Storm{
		Threshold:  3 + r.IntN(4),
		Window:     config.Duration(pick(r, 0, time.Second, 5*time.Second)),
		Individual: pick(r, alert.Average, alert.High, alert.Disaster, alert.Disaster),
	}
	s.Rate = pick(r, 0.5, 2.0, 10, 20)
	for range 1 + r.IntN(2) {
		g := gust{
			first: first + problems, many: 4 + r.IntN(12), at: within(r, span/2), lasts: pick(r, 200*time.Millisecond, 3*time.Second, 20*time.Second),
			worst: alert.Severity(r.IntN(6)), host: pick(r, "sw1", "db1", "line1"), over: r.IntN(3),
		}
		if r.IntN(6) == 0 {
			g.many, g.host = 30, g.host+strings.Repeat("-long", 50) // more than fits into a message
		}
		s.Steps = append(s.Steps, g.steps(r, span)...)
		problems += g.many
	}
	return problems
}

// rule adds rules and flapping triggers. It returns the number of their problems.
func (s *schedule) rule(r *rand.Rand, first int, span time.Duration) (problems int) {
	if r.IntN(2) == 0 {
		s.Rules.Delay = pick(r, 3*time.Second, 20*time.Second)
	}
	if r.IntN(2) == 0 {
		s.Rules.Escalate = pick(r, 10*time.Second, time.Minute, 5*time.Minute)
	}
	if r.IntN(3) == 0 {
		s.Rules.Remind = pick(r, 15*time.Minute, 40*time.Minute)
	}
	if r.IntN(3) == 0 {
		s.Rules.Quiet = time.Duration(1+r.IntN(5)) * time.Minute
	}
	if r.IntN(3) == 0 {
		s.Rules.AckExpires = pick(r, 5*time.Minute, 10*time.Minute)
	}
	if r.IntN(2) > 0 {
		return 0
	}
	s.Rules.Flapping = config.Flapping{Count: config.Times(3 + r.IntN(2)), Window: config.Duration(pick(r, time.Minute, 10*time.Minute))}
	host := pick(r, "sw1", "db1", "line1")
	at := within(r, span/2)
	t := truth{Severity: alert.Severity(r.IntN(6))}
	for problems = range 4 + r.IntN(8) {
		at = at.Truncate(time.Second) + time.Second + within(r, span/8)
		t.Opened, t.Resolved = at, false
		l := &sender{r: r, problem: first + problems, host: host, trigger: "4711", most: time.Second}
		l.send(t, alert.KindProblem, update{}, at)
		at = at.Truncate(time.Second) + time.Second + within(r, span/8)
		if r.IntN(8) > 0 {
			t.Resolved, t.ResolvedAt = true, at
			l.send(t, alert.KindRecovery, update{}, at)
		}
		s.Steps = append(s.Steps, l.steps...)
	}
	return problems + 1
}

func (s *schedule) sort() {
	slices.SortStableFunc(s.Steps, func(a, b step) int { return cmp.Compare(a.At, b.At) })
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// within returns a random time with a remainder of its own.
func within(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }

// trouble returns one fault and, if somebody has to repair it, the repair.
func trouble(r *rand.Rand, problems int, span time.Duration) []step {
	s := step{At: within(r, span+span/4)}
	any := func() string { return pick(r, "", "POST /messages", "PUT /messages/{id}", "DELETE /messages/{id}") }
	somewhere := func() string { return pick(r, append([]string{"", ""}, rooms...)...) }
	switch r.IntN(12) {
	case 0, 1:
		s.Kind = crash
		s.For = 2*time.Second + within(r, pick(r, time.Second, time.Minute))
	case 2:
		s.Kind = restart
		s.For = within(r, time.Minute)
	case 3:
		s.Kind, s.Op, s.Room, s.Skip, s.Count = limit, any(), somewhere(), r.IntN(4), 1+r.IntN(3)
		s.Status, s.RetryAfter = 429, pick(r, 1, 5, 30, 300)
	case 4:
		s.Kind, s.Op, s.Room, s.Skip, s.Count = fail, any(), somewhere(), r.IntN(4), 1+r.IntN(6)
		s.Status, s.Taken = pick(r, 500, 502, 503, 504), r.IntN(3) == 0
	case 5, 6:
		s.Kind, s.Op, s.Room, s.Skip, s.Count, s.Taken = lose, any(), somewhere(), r.IntN(4), 1+r.IntN(3), r.IntN(3) > 0
	case 7:
		s.Kind, s.Op, s.Skip, s.Count, s.Taken = slow, any(), r.IntN(4), 1+r.IntN(3), r.IntN(2) == 0
		s.For = pick(r, 3*time.Second, 20*time.Second, 45*time.Second)
	case 8:
		s.Kind, s.Op, s.Room, s.Skip, s.Count, s.Status = refuse, any(), somewhere(), r.IntN(6), 1, 400
	case 9:
		s.Kind, s.For = outage, time.Second+within(r, pick(r, 10*time.Second, 5*time.Minute))
	case 10:
		switch r.IntN(3) {
		case 0:
			s.Kind, s.Bot = revoke, r.IntN(len(bots))
			back := step{Kind: restore, Bot: s.Bot, At: s.At + time.Second + within(r, 20*time.Minute)}
			return []step{s, back}
		case 1:
			s.Kind, s.Room = expel, pick(r, rooms...)
			if r.IntN(2) == 0 {
				return []step{s}
			}
			return []step{s, {Kind: readmit, Room: s.Room, At: s.At + time.Second + within(r, span)}}
		default:
			s.Kind, s.Problem, s.Room = erase, r.IntN(problems), pick(r, rooms...)
		}
	case 11:
		s.Kind, s.For = diskFull, time.Second+within(r, time.Minute)
	}
	return []step{s}
}
