package command

import (
	"bytes"
	"context"
	"image/png"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/history"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// The items of a trigger are by its id in the fake: one that begins with "t" has texts, "none" nothing, any other one numbers.

func (z *fakeZabbix) TriggerItems(_ context.Context, triggerID string) ([]zabbix.Item, error) {
	z.w.mu.Lock()
	defer z.w.mu.Unlock()
	z.site.reads++
	if z.down || z.w.crash == 0 {
		return nil, &zabbix.Error{Kind: zabbix.Unreachable, Message: "connection refused"}
	}
	if z.site.refuses != nil {
		return nil, z.site.refuses
	}
	switch {
	case triggerID == "none":
		return nil, nil
	case strings.HasPrefix(triggerID, "t"):
		return []zabbix.Item{{ID: "1", Name: "Log", Type: "2"}}, nil
	}
	return []zabbix.Item{{ID: "2", Name: "CPU", Type: zabbix.Float, Units: "%", History: 7 * 24 * time.Hour, Delay: time.Minute}}, nil
}

func (z *fakeZabbix) History(_ context.Context, _ zabbix.Item, from, to time.Time, _ int) (list []zabbix.Value, err error) {
	for at := to; !at.Before(from); at = at.Add(-10 * time.Minute) {
		list = append(list, zabbix.Value{At: at, Number: 42})
	}
	return list, nil
}

func (z *fakeZabbix) Trends(context.Context, zabbix.Item, time.Time, time.Time, int) ([]zabbix.Trend, error) {
	return nil, nil
}

func (z *fakeZabbix) Texts(_ context.Context, _ zabbix.Item, from, to time.Time, _ int) ([]zabbix.TextValue, error) {
	return []zabbix.TextValue{{At: to, Text: "late, " + to.Sub(from).String()}}, nil
}

func (z *fakeZabbix) reads() int {
	z.w.mu.Lock()
	defer z.w.mu.Unlock()
	return z.site.reads
}

// graphed makes a problem whose trigger has items.
func (w *world) graphed(key, triggerID string, rooms ...string) alert.Key {
	k := w.problem(key, rooms...)
	p := w.find(k)
	p.TriggerID, p.OpenedAt = triggerID, time.Now().Add(-time.Hour)
	w.put(p)
	return k
}

func TestParseGraph(t *testing.T) {
	n := Names{Sources: map[string]string{"main": "", "lab": ""}}
	for said, want := range map[string]Request{
		"graph":                     {},
		"graph 4711":                {Refs: []alert.Key{{EventID: "4711"}}},
		"Graph: main/4711, 4712":    {Refs: []alert.Key{{Source: "main", EventID: "4711"}, {EventID: "4712"}}},
		"graph 3h":                  {Length: Length{For: 3 * time.Hour}},
		"graph 4711 3h":             {Refs: []alert.Key{{EventID: "4711"}}, Length: Length{For: 3 * time.Hour}},
		"graph 4711 for 1h30m.":     {Refs: []alert.Key{{EventID: "4711"}}, Length: Length{For: 90 * time.Minute}},
		"graph 4711 last 2 days":    {Refs: []alert.Key{{EventID: "4711"}}, Length: Length{For: 48 * time.Hour}},
		"chart 4711 and 4712 1w":    {Refs: []alert.Key{{EventID: "4711"}, {EventID: "4712"}}, Length: Length{For: 7 * 24 * time.Hour}},
		"graph the problem 4711 3h": {Refs: []alert.Key{{EventID: "4711"}}, Length: Length{For: 3 * time.Hour}},
	} {
		want.Verb = Graph
		r, q := n.Parse(said)
		require.Nil(t, q, said)
		require.Equal(t, want, r, said)
	}
	for said, want := range map[string]string{
		"graph sw1":                       "I don't understand `sw1`",
		"graph 4711 of the cpu":           "I don't understand `of the cpu`",
		"graph 4711 3h please":            "I don't understand `please` after the length",
		"graph 4711 3h 4712":              "I don't understand `4712` after the length",
		"graph 4711x":                     "I'm not sure whether `4711x`",
		"graph 4711d":                     "I'm not sure whether `4711d`",
		"graph 4711 until tomorrow":       "a span, such as `3h`",
		"graph 4711 forever":              "a span, such as `3h`",
		"graph 4711 99w":                  "at most a year",
		"graph 4711 0h":                   "a span, such as `3h`",
		"graph 1 2 3 4 5 6":               "more than 5 graphs",
		"graph 4711 3h\u202e` <@all>":     "after the length",
		"graph " + strings.Repeat("x", 9): "I don't understand `xxxxxxxxx`",
	} {
		_, q := n.Parse(said)
		require.NotNil(t, q, said)
		require.Contains(t, q.Error(), want, said)
		require.NotContains(t, q.Error(), "<@all>")
	}
}

func TestGraphIsAPictureInTheThread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.graphed("main/4711", "13", "noc")
		r := w.start(t)
		r.receives("M1", Input{Text: "graph 3h", Room: "noc", ParentID: "ROOT-main/4711@noc"})
		synctest.Wait()
		list := w.notices()
		require.Len(t, list, 1, "the picture is the reply")
		n := list[0]
		require.Equal(t, []string{"noc", "ROOT-main/4711@noc", "graph-4711.png", "image/png"}, []string{n.Room, n.ParentID, n.File.Name, n.File.Type})
		require.Equal(t, store.NoticeAnswer, n.Kind)
		require.Contains(t, n.Markdown, "📈 `main/4711` problem 4711 · 31 Dec 1999 21:00 UTC to 00:00 UTC · CPU: 42 %")
		content, err := w.NoticeFile(t.Context(), n.ID)
		require.NoError(t, err)
		_, err = png.Decode(bytes.NewReader(content))
		require.NoError(t, err)
		require.Equal(t, store.CommandDone, w.command("M1").State)
		require.Contains(t, w.command("M1").Outcome, "Drew the graph of main/4711")
		r.stop()
	})
}

// A press, a repetition within a minute, and texts instead of numbers.
func TestPressingTwiceIsOneGraph(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.graphed("main/4711", "t1", "noc")
		r := w.start(t)
		press := Input{Room: "noc", Button: &Button{Action: "graph", Key: "main/4711", MessageID: "CARD-main/4711@noc"}}
		r.receives("M1", press)
		r.receives("M2", press)
		time.Sleep(30 * time.Second)
		r.receives("M3", press)
		synctest.Wait()
		require.Equal(t, 1, w.zabbixes["main"].reads())
		require.Len(t, w.notices(), 1)
		require.Equal(t, "ROOT-main/4711@noc", w.notices()[0].ParentID)
		require.Contains(t, w.answers()[0], "📄 `main/4711` problem 4711, last values:\n\n**Log**\n- 00:00 UTC: `late, 722h0m0s`")
		time.Sleep(2 * time.Minute)
		press.Button = &Button{Action: "graph", Key: "main/4711", MessageID: "CARD-main/4711@noc", Comment: "my words"}
		r.receives("M4", press)
		synctest.Wait()
		require.Len(t, w.notices(), 2)
		require.Contains(t, w.answers()[1], "Your comment was not sent. To send it: `comment main/4711 …`.")
		r.stop()
	})
}

// While Zabbix is away the command waits, and other commands don't wait for it.
func TestGraphWhileZabbixIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.graphed("main/4711", "t1", "noc")
		w.setDown("main", true)
		r := w.start(t)
		r.receives("M1", Input{Text: "graph 4711", Room: "noc"})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Contains(t, w.answers()[0], "⏳ Zabbix `main` can't be reached.")
		r.stop()
		w.setDown("main", false)
		r = w.start(t) // it survives a restart
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, store.CommandDone, w.command("M1").State)
		answers := strings.Join(w.answers(), "\n")
		require.Contains(t, answers, "late, ")
		require.Contains(t, answers, "✅ Read", "it replaces the interim reply")
		require.NotContains(t, answers, "⏳")
		w.setDown("main", true)
		r.receives("M2", Input{Text: "graph 4711 2h", Room: "noc"})
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Equal(t, store.CommandExpired, w.command("M2").State)
		require.Contains(t, w.answers()[len(w.answers())-1], "⌛ Couldn't draw the graph of `main/4711` problem 4711")
		r.stop()
	})
}

func TestGraphThatCannotBeDrawn(t *testing.T) {
	for name, c := range map[string]struct {
		trigger string
		refuses error
		state   store.CommandState
		want    string
	}{
		"no item":         {"none", nil, store.CommandDone, "There is nothing to draw"},
		"not a trigger's": {"", nil, store.CommandFailed, "only the problem of a trigger has values"},
		"the role":        {"t1", &zabbix.Error{Kind: zabbix.RoleForbids, Message: `No permissions to call "history.get".`}, store.CommandFailed, "A Zabbix administrator can allow it with `alert-relay setup zabbix`, or by hand"},
		"the token":       {"t1", &zabbix.Error{Kind: zabbix.NotAuthorised}, store.CommandFailed, "rejected the relay's API token"},
		"another refusal": {"t1", &zabbix.Error{Kind: zabbix.Invalid, Message: "<@all>"}, store.CommandFailed, "Zabbix `main` rejected the request as invalid. Zabbix says: “"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.graphed("main/4711", c.trigger, "noc")
				w.zabbixes["main"].site.refuses = c.refuses
				r := w.start(t)
				r.receives("M1", Input{Text: "graph 4711", Room: "noc"})
				synctest.Wait()
				require.Len(t, w.answers(), 1)
				require.Contains(t, w.answers()[0], c.want)
				require.NotContains(t, w.answers()[0], "<@all>")
				require.Equal(t, c.state, w.command("M1").State)
				r.stop()
			})
		})
	}
}

// The role is checked again when it is the graph's turn, for each problem; and a problem that took the event id isn't drawn.
func TestGraphOfWhatChangedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.graphed("main/4711", "t1", "noc")
		w.graphed("main/4712", "t1", "noc")
		w.setDown("main", true)
		r := w.start(t)
		r.receives("M1", Input{Text: "graph 4711 4712", Room: "noc"})
		time.Sleep(5 * time.Second)
		w.people = people().People[:0]
		r.stop()
		w.setDown("main", false)
		r = w.start(t)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, store.CommandFailed, w.command("M1").State)
		require.Contains(t, strings.Join(w.answers(), "\n"), "you don't have the role for it any more")
		require.NotContains(t, strings.Join(w.answers(), "\n"), "late, ")
		r.stop()
	})
}

// Another problem that took the event id while Zabbix was away isn't drawn.
func TestGraphOfAReusedID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		k := w.graphed("main/4711", "t1", "noc")
		w.setDown("main", true)
		r := w.start(t)
		r.receives("M1", Input{Text: "graph 4711", Room: "noc"})
		time.Sleep(5 * time.Second)
		p := w.find(k)
		p.Generation++
		w.put(p)
		w.setDown("main", false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Contains(t, strings.Join(w.answers(), "\n"), "its event id is another problem's now")
		require.Equal(t, store.CommandFailed, w.command("M1").State)
		r.stop()
	})
}

// A crash before any effect posts no graph twice.
func TestGraphSurvivesACrash(t *testing.T) {
	for crash := range 6 {
		for _, lost := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.graphed("main/4711", "t1", "noc")
				w.crash, w.lost = crash, lost
				r := w.start(t)
				r.receives("M1", Input{Text: "graph 4711", Room: "noc"})
				time.Sleep(time.Second)
				r.stop()
				w.mu.Lock()
				w.crash = -1
				w.mu.Unlock()
				r = w.start(t)
				r.receives("M1", Input{Text: "graph 4711", Room: "noc"})
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Len(t, w.notices(), 1, "crash %d", crash)
				require.Equal(t, store.CommandDone, w.command("M1").State, "crash %d", crash)
				r.stop()
			})
		}
	}
}

var _ history.Source = (*fakeZabbix)(nil)

func TestGraphsAreCounted(t *testing.T) {
	reg := prometheus.NewRegistry()
	history.NewMetrics(reg)
	families, err := reg.Gather()
	require.NoError(t, err)
	require.Len(t, families, 2)
	require.Len(t, families[1].GetMetric(), 16, "every label value from the start")
}

// A picture that can't be posted is missed with words.
func TestAGraphThatCannotBePosted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.graphed("main/4711", "13", "noc")
		_, err := w.AddNotice(t.Context(), store.Notice{Kind: store.NoticeGraph, Room: "db", File: &store.File{Name: "big", Content: make([]byte, store.MaxFiles)}})
		require.NoError(t, err)
		r := w.start(t)
		r.receives("M1", Input{Text: "graph 3h", Room: "noc", ParentID: "ROOT-main/4711@noc"})
		synctest.Wait()
		said := strings.Join(w.answers(), "\n")
		require.Contains(t, said, "too many files wait to be sent")
		require.Contains(t, said, "CPU: 42 %", "the words of the picture")
		require.Equal(t, 1, strings.Count(said, "CPU: 42 %"), "one reply")
		require.Equal(t, store.CommandFailed, w.command("M1").State)
		r.stop()
	})
}
