package command

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/zabbix"
)

// A list shows the worst problems, and counts the others without reading them.
func TestLongListReadsOnlyWhatItShows(t *testing.T) {
	for _, c := range []struct {
		n     int
		input Input
	}{
		{maxListed - 1, Input{Text: "problems", Room: "noc"}},
		{maxListed, Input{Text: "problems", Room: "noc"}},
		{3 * maxListed, Input{Text: "problems", Room: "noc"}},
		{3 * maxListed, Input{Text: "problems", Direct: true}},
		{3 * maxListed, Input{Text: "problems", Direct: true, Person: Person{Email: "dave@example.com"}}}, // noc alone
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			for i := range c.n {
				w.problem(fmt.Sprintf("main/%d", 1000+i), "noc")
			}
			r := w.start(t)
			defer r.stop()
			r.receives("M1", c.input)
			synctest.Wait()
			require.Contains(t, w.answers()[0], fmt.Sprintf("LIST %d: ", c.n))
			require.Equal(t, min(c.n, maxListed), w.read)
		})
	}
}

// In a room a person may list its problems, in a direct chat those of all their rooms.
func TestListedRooms(t *testing.T) {
	for _, c := range []struct {
		email, room string
		direct      bool
		want        []string
	}{
		{"alice@example.com", "noc", false, []string{"noc"}},
		{"alice@example.com", "", true, nil},
		{"carol@example.com", "", true, nil},
		{"bob@example.com", "", true, []string{"person:bob@example.com", "db"}},
		{"dave@example.com", "", true, []string{"person:dave@example.com", "noc"}},
		{"dave@example.com", "noc", true, []string{"person:dave@example.com", "noc"}},
		{"mallory@example.com", "", true, []string{"person:mallory@example.com"}},
	} {
		s := as(c.email, c.room, c.direct)
		require.Equal(t, c.want, s.listed().Rooms, c.email)
	}
}

// show and close read the problem's current state from Zabbix.
func TestShowAndCloseReadZabbixFirst(t *testing.T) {
	ended := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		zabbix  func(z *fakeZabbix)
		say     string
		answer  string // the beginning of the reply
		also    string
		calls   int
		changed int // how often the problem is read from Zabbix again
	}{
		"show, unchanged":          {nil, "show 4711", "SHOW main/4711 open", "", 0, 0},
		"show, resolved meanwhile": {func(z *fakeZabbix) { z.events["4711"].Resolved, z.events["4711"].ResolvedAt = true, ended }, "show 4711", "SHOW main/4711 resolved", "", 0, 1},
		"show, in a maintenance":   {func(z *fakeZabbix) { z.events["4711"].Suppressed = true }, "show 4711", "SHOW main/4711 open suppressed", "", 0, 1},
		"show, severity changed":   {func(z *fakeZabbix) { z.events["4711"].Severity = alert.Disaster }, "show 4711", "SHOW main/4711 open disaster", "", 0, 1},
		"show, a deleted trigger":  {func(z *fakeZabbix) { delete(z.events, "4711") }, "show 4711", "SHOW main/4711 open", "`close main/4711` closes it here", 0, 0},
		"show, Zabbix is away":     {func(z *fakeZabbix) { z.down = true }, "show 4711", "SHOW main/4711 open", "", 0, 0},
		"show, the API fails":      {func(z *fakeZabbix) { z.observeFail = []error{&zabbix.Error{Kind: zabbix.Other}} }, "show 4711", "SHOW main/4711 open", "", 0, 0},
		"show, the id is another problem's": {func(z *fakeZabbix) {
			z.events["4711"] = &alert.Observation{TriggerID: "2", Opened: ended, Resolved: true, ResolvedAt: ended}
		}, "show 4711", "SHOW main/4711 open", "its event id is another problem's now", 0, 1},
		"close, unchanged":                    {nil, "close 4711 done", "✅ Asked Zabbix to close", "", 1, 3},
		"close, resolved meanwhile":           {func(z *fakeZabbix) { z.events["4711"].Resolved = true }, "close 4711", "ℹ️ `main/4711` problem 4711 is already resolved.", "", 0, 2},
		"close, resolved meanwhile, in words": {func(z *fakeZabbix) { z.events["4711"].Resolved = true }, "close 4711 done", "ℹ️ `main/4711` problem 4711 is already resolved.", "Your comment was not sent. To send it anyway: `comment main/4711 …`.", 0, 2},
		"close, one of two resolved":          {func(z *fakeZabbix) { z.events["4711"].Resolved = true }, "close 4711 4712", "- ℹ️ `main/4711` problem 4711 is already resolved.", "Asked Zabbix to close `main/4712`", 1, 5},
		"close, the API fails once":           {func(z *fakeZabbix) { z.observeFail = []error{&zabbix.Error{Kind: zabbix.Other}} }, "close 4711", "✅ Asked Zabbix to close", "", 1, 3},
		"ack of a resolved problem":           {func(z *fakeZabbix) { z.events["4711"].Resolved = true }, "ack 4711 x", "✅ Acknowledged", "", 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, w *world, r *relay) {
				w.problem("main/4712", "noc")
				k := alert.ParseKey("main/4711")
				p := w.find(k)
				p.TriggerID = "1"
				w.put(p)
				if c.zabbix != nil {
					c.zabbix(w.zabbixes["main"])
				}
				w.changed = nil
				r.receives("M1", Input{Text: c.say, Room: "noc"})
				synctest.Wait()
				require.Len(t, w.answers(), 1)
				require.Contains(t, w.answers()[0], c.answer)
				require.Contains(t, w.answers()[0], c.also)
				require.Len(t, w.calls("main"), c.calls)
				require.Len(t, w.changed, c.changed)
			})
		})
	}
}

// A Zabbix that doesn't answer delays a reply by at most presentTimeout.
func TestShowDoesNotWaitForZabbix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.problem("main/4711", "noc")
		w.clients = map[string]Zabbix{"main": hanging{}}
		r := w.start(t)
		defer r.stop()
		began := time.Now()
		r.receives("M1", Input{Text: "show 4711", Room: "noc"})
		for len(w.answers()) == 0 && time.Since(began) < time.Minute {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
		}
		require.Contains(t, w.answers()[0], "SHOW main/4711 open")
		require.LessOrEqual(t, time.Since(began), presentTimeout+time.Second)
	})
}

// hanging is a Zabbix that never answers.
type hanging struct{ Zabbix } // the rest is never called

func (hanging) Acknowledge(ctx context.Context, _ zabbix.Acknowledge) error {
	<-ctx.Done()
	return ctx.Err()
}

func (hanging) Observe(ctx context.Context, _ []string) (map[string]alert.Observation, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hanging) OldestEvent(ctx context.Context) (time.Time, error) {
	<-ctx.Done()
	return time.Time{}, ctx.Err()
}
