package command

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/zabbix"
)

func TestParseSuppress(t *testing.T) {
	twoHours := Length{For: 2 * time.Hour}
	for said, want := range map[string]Request{
		"suppress 2h":                                 {Verb: Suppress, Length: twoHours},
		"suppress: 2h":                                {Verb: Suppress, Length: twoHours},
		"snooze 4711 2h":                              {Verb: Suppress, Refs: ids("4711"), Length: twoHours},
		"suppress 4711: 2h":                           {Verb: Suppress, Refs: ids("4711"), Length: twoHours},
		"suppress 4711, 4712 for 2 hours":             {Verb: Suppress, Refs: ids("4711", "4712"), Length: twoHours},
		"suppress main/4711 2h the vendor is on it":   {Verb: Suppress, Refs: ids("main/4711"), Length: twoHours, Text: "the vendor is on it"},
		"suppress 4711 2h: 3 customers know":          {Verb: Suppress, Refs: ids("4711"), Length: twoHours, Text: "3 customers know"},
		"suppress 12 2h":                              {Verb: Suppress, Refs: ids("12"), Length: twoHours},
		"suppress 12 hours":                           {Verb: Suppress, Length: Length{For: 12 * time.Hour}},
		"suppress 4711 until tomorrow 8:00 “on” call": {Verb: Suppress, Refs: ids("4711"), Length: Length{Until: &Clock{Hour: 8, Days: new(1)}}, Text: "“on” call"},
		"suppress 4711 until mon: patch":              {Verb: Suppress, Refs: ids("4711"), Length: Length{Until: &Clock{Hour: 8, Weekday: new(time.Monday)}}, Text: "patch"},
		"suppress 4711 forever":                       {Verb: Suppress, Refs: ids("4711"), Length: Length{Forever: true}},
		"unsuppress 4711 fixed":                       {Verb: Unsuppress, Refs: ids("4711"), Text: "fixed"},
		"suppress ?":                                  {Verb: Help, Topic: Suppress},
	} {
		r, q := Names{}.Parse(said)
		require.Nil(t, q, "%q", said)
		r.Suspects = nil
		require.Equal(t, want, r, "%q", said)
	}
	for said, want := range map[string]string{
		"suppress":                 "For how long?",
		"suppress 4711":            "For how long?",
		"suppress 4711 30":         "For how long?",
		"suppress 4711 for a bit":  "For how long?",
		"suppress all 2h":          "I don't understand `all`",
		"suppress 4711 deploy 2h":  "I don't understand `deploy`",
		"suppress 2h 4711":         "Put the event id first: `suppress 4711 2h`",
		"suppress 2h 4711x":        "I'm not sure whether `4711x`",
		"suppress 4711x 2h":        "I don't understand `4711x`",
		"suppress 4711-4715 2h":    "I don't understand `4711-4715`",
		"suppress 4711 1.5h":       "For how long?",
		"suppress 4711 4712m":      "`4712m`",
		"suppress 4711 2h or 4712": "", // words; the suspect is looked up
		"suppress 4711 force 2h":   "I don't understand `force`",
	} {
		r, q := Names{}.Parse(said)
		if want == "" {
			require.Nil(t, q, "%q", said)
			require.Equal(t, []string{"4712"}, r.Suspects, "%q", said)
			continue
		}
		require.NotNil(t, q, "%q", said)
		require.Contains(t, q.Error(), want, "%q", said)
	}
}

// A suppression counts from when it was asked for, is done once, and its end is told in the room's zone.
func TestSuppress(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		asked := time.Now()
		w.setDown("main", true)
		r.receives("M1", Input{Text: "suppress 4711 2h the vendor comes", Room: "noc"})
		time.Sleep(10 * time.Minute)
		w.setDown("main", false)
		time.Sleep(2 * time.Minute)
		until := asked.Add(2 * time.Hour).Truncate(time.Second)
		require.Equal(t, []zabbix.Acknowledge{{EventIDs: []string{"4711"}, Suppress: true, Until: until, Message: signed(t, w, "main/4711", "the vendor comes")}}, w.calls("main"))
		require.Contains(t, w.command("M1").Outcome, "✅ Suppressed main/4711 problem 4711 until ")
		u := w.updates(t)
		require.Len(t, u, 1)
		require.Equal(t, alert.Actions{Suppress: true, SuppressUntil: until.UTC(), Comment: true}, u[0].Actions)

		r.receives("M2", Input{Text: "unsuppress 4711", Room: "noc"})
		synctest.Wait()
		calls := w.calls("main")
		require.True(t, calls[len(calls)-1].Unsuppress)
		r.receives("M3", Input{Text: "suppress 4711 2h the vendor comes", Room: "noc"}) // again, since it was undone
		synctest.Wait()
		require.Len(t, w.calls("main"), 3)
	})
}

// A suppression that would have ended before Zabbix is back isn't tried any longer.
func TestSuppressionThatEndsWhileZabbixIsAway(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		w.setDown("main", true)
		r.receives("M1", Input{Text: "suppress 4711 5m", Room: "noc"})
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		require.Contains(t, w.command("M1").Outcome, "Couldn't suppress")
		w.setDown("main", false)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Empty(t, w.calls("main"))
	})
}

// A card's field takes the same lengths; what isn't one is a question, and nothing is done.
func TestSuppressButton(t *testing.T) {
	for field, reply := range map[string]string{"2h": "Suppressed", "until tomorrow 8:00": "Suppressed", "": "For how long?", "2h please": "For how long?", "until yesterday": "For how long?", "0m": "That time has passed"} {
		t.Run(field, func(t *testing.T) {
			story(t, func(t *testing.T, w *world, r *relay) {
				r.receives("A1", Input{Button: &Button{Action: "suppress", Key: "main/4711", For: field, MessageID: "CARD"}, Room: "noc"})
				synctest.Wait()
				require.Contains(t, w.command("A1").Outcome, reply)
				require.Equal(t, reply == "Suppressed", len(w.calls("main")) == 1)
			})
		})
	}
}
