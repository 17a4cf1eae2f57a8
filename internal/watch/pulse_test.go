package watch

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/zabbix"
)

// A server counts as stopped only if its items had values again and again, and then had none for five minutes.
func TestPulse(t *testing.T) {
	const never = -1
	for name, c := range map[string]struct {
		every  time.Duration // between values
		values int
		want   []Verdict // each minute after the last value, for seven minutes
	}{
		"nothing is shown":      {time.Minute, never, []Verdict{Unknown, Unknown, Unknown, Unknown, Unknown, Unknown, Unknown}},
		"one value":             {time.Minute, 1, []Verdict{Unknown, Unknown, Unknown, Unknown, Unknown, Unknown, Unknown}},
		"too few values":        {time.Minute, 4, []Verdict{Fine, Fine, Fine, Unknown, Unknown, Unknown, Unknown}},
		"values, and then none": {time.Minute, 5, []Verdict{Fine, Fine, Fine, Unknown, Trouble, Trouble, Trouble}},
		"rare values":           {4 * time.Minute, 20, []Verdict{Unknown, Unknown, Unknown, Unknown, Unknown, Unknown, Unknown}},
	} {
		p, now, alive := pulse{}, noon, noon.Add(-time.Hour) // the clocks differ
		for range c.values {
			now, alive = now.Add(c.every), alive.Add(c.every)
			p = p.next(alive, now)
		}
		for i, want := range c.want {
			now = now.Add(time.Minute)
			if c.values == never {
				alive = time.Time{}
			}
			p = p.next(alive, now)
			require.Equal(t, want, p.judge(now).Verdict, "%s: minute %d", name, i+1)
		}
		if c.values == 5 {
			hidden := p.next(time.Time{}, now)
			require.Equal(t, Unknown, hidden.judge(now).Verdict, "what isn't shown any more ends and begins nothing")
			back := p.next(alive.Add(time.Second), now)
			require.Equal(t, Unknown, back.judge(now).Verdict)
			back = back.next(alive.Add(time.Minute), now.Add(time.Minute))
			require.Equal(t, Fine, back.judge(now.Add(time.Minute)).Verdict)
		}
	}
}

// A server that stops is one message, which ends when the server runs again; an API that doesn't answer is another matter.
func TestStoppedServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		clock := noon
		runs := func(d time.Duration, running bool) {
			for range int(d / time.Minute) {
				w.pass(time.Minute)
				if clock = clock.Add(time.Minute); running {
					w.source.set(func(s *source) { s.shows.Alive = clock })
				}
			}
		}
		w.start()
		defer func() { w.stop() }()
		runs(10*time.Minute, true)
		w.source.set(func(s *source) { s.fails = &zabbix.Error{} })
		runs(4*time.Minute, true)
		w.source.set(func(s *source) { s.fails = nil })
		runs(10*time.Minute, true)
		require.Empty(t, w.messages())
		runs(8*time.Minute, false)
		require.Equal(t, []string{"main server true 0 ×1"}, w.messages())
		require.EqualValues(t, 1, w.trouble(Server))
		w.start()
		runs(10*time.Minute, false)
		require.Equal(t, []string{"main server true 0 ×1"}, w.messages(), "a restart knows nothing new")
		runs(5*time.Minute, true)
		require.Equal(t, []string{"main server false 0 ×2"}, w.messages())
	})
}
