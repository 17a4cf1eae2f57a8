package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// model implements a route's timing minute by minute, as a person with a watch and the configuration would.
type model struct {
	timing     route.Timing
	joined     time.Time
	posted     bool
	never      bool      // it resolved before it was due in the room
	since      time.Time // when it was posted, or became unattended
	step       int
	stepped    time.Time // when the last step was taken
	reminded   time.Time // when the last reminder was sent or left out
	unattended bool
}

// minute returns the escalations and reminders that are due in a minute, after the events of that minute.
func (m *model) minute(p alert.Problem, now time.Time) (nudges []alert.EntryKind) {
	over := p.State == alert.StateResolved
	quiet := !m.timing.Quiet.Until(p.Severity, now).IsZero()
	if !m.posted && !m.never {
		switch may := !quiet && !now.Before(m.joined.Add(m.timing.Delay)); {
		case over && !may:
			m.never = true
		case may:
			m.posted = true
			m.unattended = false // the clocks begin
		}
	}
	_, unattended := p.Unattended(now)
	from, _ := p.Unattended(now)
	unattended = unattended && !from.After(now)
	if unattended && !m.unattended {
		m.since, m.step, m.stepped, m.reminded = now, 0, now, now
	}
	m.unattended = unattended
	if !unattended || !m.posted || quiet {
		return nil
	}
	if m.step < len(m.timing.Escalate) {
		wait := time.Duration(m.timing.Escalate[m.step].After)
		if m.step > 0 {
			wait -= time.Duration(m.timing.Escalate[m.step-1].After)
		}
		if now.Sub(m.stepped) >= wait {
			m.step, m.stepped = m.step+1, now
			nudges = append(nudges, alert.EntryEscalated)
		}
	}
	if m.timing.Remind > 0 && now.Sub(m.reminded) >= m.timing.Remind {
		m.reminded = now
		if len(nudges) == 0 {
			nudges = append(nudges, alert.EntryReminded)
		}
	}
	return nudges
}

// Whatever happens to a problem, the ledger reminds and escalates in the same minutes as the model.
func TestClocksFollowTheModel(t *testing.T) {
	quiet := quietAtNight(t)
	rapid.Check(t, func(rt *rapid.T) {
		minutes := func(label string, of ...int) time.Duration {
			return time.Duration(rapid.SampledFrom(of).Draw(rt, label)) * minute
		}
		timing := route.Timing{Delay: minutes("delay", 0, 0, 5), Remind: minutes("remind", 0, 20, 60), Escalate: twoSteps[:rapid.IntRange(0, 2).Draw(rt, "steps")]}
		if rapid.Bool().Draw(rt, "quiet") {
			timing.Quiet = quiet
		}
		begin := epoch.Add(minutes("begin", 0, 9*60+45, 9*60+58, 10*60+15, 18*60+50))
		w := timed(t, timing, begin)
		severity := rapid.SampledFrom([]alert.Severity{alert.Average, alert.High}).Draw(rt, "severity")
		first := opened()
		first.Severity = &severity
		w.plan(first)
		m := &model{timing: timing, joined: begin}
		for n := range rapid.IntRange(30, 200).Draw(rt, "minutes") {
			w.now = begin.Add(time.Duration(n) * minute)
			if n > 0 && rapid.IntRange(0, 14).Draw(rt, "happens") == 0 {
				acts := []func(*alert.Event){
					does(alert.Actions{Ack: true}), does(alert.Actions{Unack: true}), does(alert.Actions{Comment: true}), does(alert.Actions{Suppress: true}),
					does(alert.Actions{Unsuppress: true}), does(alert.Actions{Suppress: true, SuppressUntil: w.now.Add(minutes("until", 1, 10, 30))}), ends,
				}
				if !m.posted && timing.Quiet.Until(alert.Average, w.now) == timing.Quiet.Until(alert.Average, begin.Add(timing.Delay)) {
					acts = append(acts, becomes(alert.Average), becomes(alert.High))
				}
				w.later(0, rapid.SampledFrom(acts).Draw(rt, "act"))
			}
			p := w.known.Problems[k4711]
			want := m.minute(p, w.now)
			var got []alert.EntryKind
			for _, nudged := range w.due().Nudged {
				got = append(got, nudged.Nudge.Kind)
			}
			// As delivery would.
			post := &w.known.Posts[k4711][0]
			require.Equal(rt, "noc", post.Room)
			if unposted(*post) && post.Pending() {
				post.Claimed, post.RootID, post.Delivered, post.PendingSince = true, "ROOT", post.Desired, time.Time{}
			}
			require.Equal(rt, m.posted, post.RootID != "", "minute %d: posted at %s", n, post.TellAfter)
			require.Equal(rt, want, got, "minute %d: %+v", n, w.known.Posts[k4711][0])
			posts := w.known.Posts[k4711]
			require.LessOrEqual(rt, len(posts), 2)
			require.Equal(rt, store.PostLive, posts[0].State)
		}
	})
}
