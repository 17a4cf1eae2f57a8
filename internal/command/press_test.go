package command

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/zabbix"
)

// A press reads the length of a suppression as the command does: the button's own before the field's.
func TestAPressHasALength(t *testing.T) {
	for _, c := range []struct {
		value, field string
		want         Length
	}{
		{"15m", "", Length{For: 15 * time.Minute}},
		{"4h", "2d", Length{For: 4 * time.Hour}},
		{"until tomorrow 8:00", "", Length{Until: &Clock{Hour: 8, Days: new(1)}}},
		{"", "1h 30m", Length{For: 90 * time.Minute}},
		{"", " for 2 hours. ", Length{For: 2 * time.Hour}},
		{"", "until 14:30", Length{Until: &Clock{Hour: 14, Minute: 30}}},
	} {
		r, q := Button{Action: "suppress", Value: c.value, For: c.field}.bounded().request(alert.ParseKey("main/4711"))
		require.Nil(t, q, c)
		require.Equal(t, c.want, r.Length, c)
	}
	for _, field := range []string{"", "soon", "2", "2h on it", "until 8"} {
		_, q := Button{Action: "suppress", For: field}.bounded().request(alert.ParseKey("main/4711"))
		require.NotNil(t, q, field)
	}
}

// Whatever a client sends as a press, only verbs whose entry in the table has a button are executed, on exactly one problem, and with values
// that the command could have been typed with.
func FuzzPress(f *testing.F) {
	for _, action := range append(verbNames(), "", "confirm", "ack_all", "frobnicate", "ACK", " ack", "ack\n", strings.Repeat("ack", 50)) {
		f.Add(action, "main/4711", "2h", "on it", "1d", "high")
	}
	f.Add("severity", "main/4711", "", "", "", "5")
	f.Add("suppress", "main/4711", "", "", "forever", "")
	f.Add("comment", "/", "\x00", "<@all>", "\u202e", strings.Repeat("x", 100_000))
	f.Fuzz(func(t *testing.T, action, key, value, comment, length, severity string) {
		b := Button{Action: action, Key: key, Value: value, Comment: comment, For: length, Severity: severity}.bounded()
		require.LessOrEqual(t, len(b.words()), maxText+6*maxPressWord+maxPressKey)
		target := alert.ParseKey(b.Key)
		r, q := b.request(target)
		if q != nil {
			require.NotEmpty(t, q.Error())
			return
		}
		v := lookup(b.Action)
		require.NotNil(t, v)
		require.Equal(t, b.Action, string(v.name), "an alias")
		require.True(t, v.pressable() || v.name == Do && r.Task.Action == b.Value && b.Value != "")
		require.Equal(t, []alert.Key{target}, r.Refs)
		require.False(t, r.All || r.Yes || r.Ack)
		require.Equal(t, v.lasts || v.name == Remind, r.Length != (Length{}))
		require.Equal(t, v.name == Severity, r.Severity != nil)
		require.False(t, v.prose && r.Text == "")
	})
}

// A client can send anything as a press: what is kept of it is bounded.
func TestAHugePressIsCut(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		huge := strings.Repeat("x", 1<<17)
		r.receives("A1", Input{Button: &Button{Action: "ack", Key: "main/4711", Value: huge, Comment: huge, For: huge, Severity: huge, MessageID: "CARD-main/4711@noc"}, Room: "noc"})
		r.receives("A2", Input{Button: &Button{Action: huge, Key: huge, MessageID: "CARD-main/4711@noc"}, Room: "noc"})
		synctest.Wait()
		for _, id := range []string{"A1", "A2"} {
			c := w.command(id)
			require.Less(t, len(c.Detail)+len(c.Text), 40_000)
		}
		require.Len(t, w.calls("main"), 1)
		require.LessOrEqual(t, len([]rune(w.calls("main")[0].Message)), zabbix.MaxMessage)
	})
}
