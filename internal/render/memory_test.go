package render

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
)

func TestMemoryInWords(t *testing.T) {
	opened := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for want, m := range map[string]alert.Memory{
		"First time seen here":                                         {Times: 1},
		"First time in 30 days · last time 12m":                        {Known: true, Times: 1, Latest: 12 * time.Minute},
		"2nd time in 30 days":                                          {Known: true, Times: 2},
		"11th time in 30 days · usually 1h 2m":                         {Known: true, Times: 11, Usual: time.Hour + 2*time.Minute, Latest: time.Second},
		"23rd time in 30 days":                                         {Known: true, Times: 23},
		"more than 50 times in 30 days":                                {Known: true, Times: 51, AtLeast: true},
		"2nd time in 30 days · last: Somebody, 31 Dec 2025: “\\*x\\*”": {Known: true, Times: 2, Remarks: remarks(alert.Remark{By: alert.HiddenAuthor, At: opened.AddDate(0, 0, -2), Text: "*x*"})},
	} {
		p := alert.Problem{OpenedAt: opened, Memory: &m}
		r, err := New(Options{})
		require.NoError(t, err)
		require.Equal(t, want, r.builder(&p, Room{}, 1).view(Room{Name: sampleRoom}, opened).Memory.String())
		require.Nil(t, r.builder(&p, Room{}, 1).view(Room{HideMemory: true}, opened).Memory)
	}
}

// No message of a problem, of whatever kind, shows what was written about an earlier one in rooms that its reader doesn't see. How
// often and how long may be known everywhere.
func TestRemarksAreForTheirRooms(t *testing.T) {
	r, err := New(Options{})
	require.NoError(t, err)
	p := Samples()["acknowledged"]
	p.Memory = &alert.Memory{Known: true, Times: 7, Remarks: []alert.PostedRemark{
		{Remark: alert.Remark{By: "Zoe", At: p.OpenedAt, Text: "for db"}, Rooms: []string{"db"}},
		{Remark: alert.Remark{By: "Yves", At: p.OpenedAt, Text: "for net"}, Rooms: []string{"net", "wan"}},
	}}
	trigger, _ := p.Trigger()
	stats := alert.TriggerStats{Trigger: trigger, Occurrences: []alert.Occurrence{
		{EventID: "4600", Opened: alert.MicroOf(p.OpenedAt.Add(-2 * time.Hour)), Rooms: []string{"net", "wan"}, Remark: &p.Memory.Remarks[1].Remark},
		{EventID: "4700", Opened: alert.MicroOf(p.OpenedAt.Add(-time.Hour)), Rooms: []string{"db"}, Remark: &p.Memory.Remarks[0].Remark},
	}}
	of := func(rooms ...string) func([]string) bool {
		return func(posted []string) bool {
			return slices.ContainsFunc(posted, func(room string) bool { return slices.Contains(rooms, room) })
		}
	}
	all := []string{"Zoe", "for db", "Yves", "for net", "4600", "4700"}
	for name, c := range map[string]struct {
		room Room
		sees []string
	}{
		"a room of the one":       {Room{Name: "db"}, []string{"Zoe", "for db", "4700"}},
		"a room of the other":     {Room{Name: "wan"}, []string{"Yves", "for net", "4600"}},
		"another room":            {Room{Name: "noc"}, nil},
		"no room":                 {Room{}, nil},
		"a direct chat":           {Room{MayRead: of("noc", "net")}, []string{"Yves", "for net", "4600"}},
		"a direct chat of nobody": {Room{MayRead: of("noc")}, nil},
		"a name alone":            {Room{Name: "db", MayRead: of("noc")}, nil},
	} {
		var out strings.Builder
		for _, presentation := range []config.Presentation{config.PresentThread, config.PresentCard, config.PresentLine} {
			room := c.room
			room.Presentation = presentation
			card, fallback := r.Card(p, room, SamplesNow)
			encoded, err := json.Marshal(card)
			require.NoError(t, err)
			listed, _ := r.Problems([]alert.Problem{p}, 0, 1, room, SamplesNow)
			digest := Digest{Items: []DigestItem{r.DigestItem(p, Room{}), r.DigestItem(p, Room{})}}
			digested, _ := r.Digest(digest, room)
			fmt.Fprintln(&out, digested, string(r.DigestFile(digest, room, SamplesNow)))
			fmt.Fprintln(&out, r.Root(p, room, SamplesNow), string(encoded), fallback, r.Lines(p, p.Timeline, room, SamplesNow), r.Show(p, room, SamplesNow), listed)
		}
		require.Contains(t, out.String(), "7th time in 30 days", name)
		history := r.History(p, stats, c.room, SamplesNow)
		for _, word := range all {
			for what, text := range map[string]string{"messages": out.String(), "history": history} {
				if what == "messages" && strings.HasPrefix(word, "4") {
					continue // only a history has ids
				}
				require.Equal(t, slices.Contains(c.sees, word), strings.Contains(text, word), "%s, %s: %q in\n%s", name, what, word, text)
			}
		}
		require.Contains(t, history, "3rd time in 30 days", name)
	}
}
