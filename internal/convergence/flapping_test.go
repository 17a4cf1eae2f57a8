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
