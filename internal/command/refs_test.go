package command

import (
	"strings"
	"testing"
	"testing/synctest"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
)

var configured = Names{
	Sources: map[string]string{"main": "https://zabbix.example.com/ui", "lab": "http://lab.example.com:8080", "2": "https://two.example.com"},
	Relay:   "https://relay.example.com",
}

const frontend = "https://zabbix.example.com/ui/tr_events.php?triggerid=14300&eventid=4712"

// An unambiguous id is read whatever its punctuation, and the words after it stay as written.
func TestIDPunctuation(t *testing.T) {
	one, two := ids("4712"), ids("4712", "4713")
	for said, want := range map[string]Request{
		"close 4712. rebooted it":   {Refs: one, Text: "rebooted it"},
		"close 4712.":               {Refs: one},
		"close 4712!":               {Refs: one},
		"close 4712...":             {Refs: one},
		"close 4712… later":         {Refs: one, Text: "later"},
		"close, 4712":               {Refs: one},
		"close. 4712":               {Refs: one},
		"close (4712)":              {Refs: one},
		"close (4712) it’s done":    {Refs: one, Text: "it’s done"},
		"close [4712]":              {Refs: one},
		"close <4712>":              {Refs: one},
		"close {4712}":              {Refs: one},
		`close "4712"`:              {Refs: one},
		"close “4712”":              {Refs: one},
		"close „4712“":              {Refs: one},
		"close «4712» done":         {Refs: one, Text: "done"},
		"close ‹4712›":              {Refs: one},
		"close '4712'":              {Refs: one},
		"close `4712`":              {Refs: one},
		"close **4712**":            {Refs: one},
		"`close 4712`":              {Refs: one},
		"`close` 4712":              {Refs: one},
		"`close 4712 on it`":        {Refs: one, Text: "on it"},
		"close 4712,4713":           {Refs: two},
		"close 4712, 4713":          {Refs: two},
		"close 4712;4713.":          {Refs: two},
		"close (4712, 4713) done":   {Refs: two, Text: "done"},
		`close "4712","4713"`:       {Refs: two},
		`close "4712" "4713"`:       {Refs: two},
		"close #4712,#4713":         {Refs: two},
		"close #4712 #4713":         {Refs: two},
		"close 4712 and 4713":       {Refs: two},
		"close 4712 and 4713. done": {Refs: two, Text: "done"},
		"close 4712, and #4713":     {Refs: two},
		"close 4712 & 4713":         {Refs: two},
		"close 4712&4713":           {Refs: two},
		"close 4712 + 4713":         {Refs: two},
		"close 4712 +4713":          {Refs: two},
		"close 4712 und 4713":       {Refs: two},
		"close both 4712 and 4713":  {Refs: two},
		"close 4712 4713 4712":      {Refs: two},
		"close 4712\n4713\nfixed":   {Refs: two, Text: "fixed"},
		"close 4712，4713":           {Refs: two},
		"close 4712、4713":           {Refs: two},
		"close 47１２":                {Refs: one},
		"close ４７１２。":               {Refs: one},
		"close ＃４７１２！":              {Refs: one},
		"close ٤٧١٢":                {Refs: one},
		"close 𝟒𝟕𝟏𝟐":                {Refs: one}, // beyond the first plane: mathematical digits, five sets of ten in one row
		"close 𝟺𝟽𝟷𝟸":                {Refs: one},
		"close ۴۷۱۲":                {Refs: one},
		"close ४७१२":                {Refs: one},
		"close 4\ufe0f\u20e37\ufe0f\u20e31\ufe0f\u20e32\ufe0f\u20e3": {Refs: one},
		"close\u00a04712\u202fdone":                                  {Refs: one, Text: "done"},
		"close\u20034712":                                            {Refs: one},
		"close \u200b4712\u200b":                                     {Refs: one},
		"close \u2066#4712\u2069":                                    {Refs: one},
		"close 47\u200d12":                                           {Refs: one},
		"close №4712":                                                {Refs: one},
		"close № 4712":                                               {Refs: one},
		"close No. 4712":                                             {Refs: one},
		"close no.4712":                                              {Refs: one},
		"close nr 4712":                                              {Refs: one},
		"close event 4712":                                           {Refs: one},
		"close the event 4712 please":                                {Refs: one, Text: "please"},
		"close please 4712":                                          {Refs: one},
		"close problem #4712":                                        {Refs: one},
		"close problems 4712 and 4713":                               {Refs: two},
		"close event 4712 and event 4713":                            {Refs: two},
		"close id: 4712":                                             {Refs: one},
		"close ID:4712 done":                                         {Refs: one, Text: "done"},
		"close event id 4712":                                        {Refs: one},
		"close eventid=4712":                                         {Refs: one},
		"close eventid = 4712":                                       {Refs: nil},
		"close event_id:#4712":                                       {Refs: one},
		"close main/4712":                                            {Refs: ids("main/4712")},
		"close (main/4712),lab/4713":                                 {Refs: ids("main/4712", "lab/4713")},
		"close 2/4712":                                               {Refs: ids("2/4712")},
		"close 4712:done":                                            {Refs: one, Text: "done"},
		"close 4712: done":                                           {Refs: one, Text: "done"},
		"close 4712 - done":                                          {Refs: one, Text: "done"},
		"close 4712 — done":                                          {Refs: one, Text: "done"},
		"close 4712 -- done":                                         {Refs: one, Text: "done"},
		"close 4712 and the router":                                  {Refs: one, Text: "and the router"},
		"close 4712 & the router":                                    {Refs: one, Text: "& the router"},
		"close 4712 “on it – really…”":                               {Refs: one, Text: "on it – really…"},
		"close " + frontend:                                          {Refs: ids("main/4712")},
		"close <" + frontend + ">. done":                             {Refs: ids("main/4712"), Text: "done"},
		"close [Link down](" + frontend + ") done":                   {Refs: ids("main/4712"), Text: "done"},
		"close [4712](" + frontend + "), 4713":                       {Refs: ids("main/4712", "4713")},
		"close [Problem](" + frontend + ")":                          {Refs: ids("main/4712")},
		"close " + frontend + ", 4713":                               {Refs: ids("main/4712", "4713")},
		"close http://zabbix.example.com/ui/tr_events.php?eventid=4712":                 {Refs: ids("main/4712")},
		"close zabbix.example.com/ui/tr_events.php?eventid=4712":                        {Refs: ids("main/4712")},
		"close http://lab.example.com:8080/zabbix.php?action=popup&eventids%5B%5D=4712": {Refs: ids("lab/4712")},
		"close https://relay.example.com/m/main/4712":                                   {Refs: ids("main/4712")},
		"close https://relay.example.com/m/main/4712/Zm9v on it":                        {Refs: ids("main/4712"), Text: "on it"},
		"close https://relay.example.com/m/main/4712?s=Zm9v":                            {Refs: ids("main/4712")},
		"close " + frontend + " https://relay.example.com/m/main/4712":                  {Refs: ids("main/4712")},
	} {
		got, fault := configured.Parse(said)
		if want.Refs == nil {
			require.True(t, fault != nil || len(got.Refs) == 0 && len(got.Suspects) > 0, "%q", said)
			continue
		}
		require.Nil(t, fault, "%q: %v", said, fault)
		want.Verb = Close
		require.Empty(t, cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Request{}, "Suspects")), "%q", said)
	}
}

// A word that may be an id but isn't exactly one is a question, whether or not the id exists.
func TestAlmostIDsAreQuestions(t *testing.T) {
	for _, words := range []string{
		"4804-4806", "4804 - 4806", "4804–4806", "4804..4806", "4804…4806", "4804 .. 4806", "4804 to 4806", "4804 bis 4806", "4804 or 4806", "4804/4806", "4804|4806",
		"4,712", "4.712", "4712.4713", "4712:4713", "4712=", "4712?", "4712%", "$4712", "@4712", "/4712", "~4712-", "-4712", "- 4712", "+1", "+4712", "& 4712",
		"4712x", "4712th", "4712and 4713", "4712a", "47l2", "471Z", "47O1", "47²", "4712ack", "l337 ",
		"4712 and 4713x", "4712 4713x", "4712 - 4715", "4712 -4715", "4712 and 4713-4715", "4712 also 4713", "4712 not 4713", "4712 10:15 rebooted",
		`"4712 on it"`, `"4712`, "(4712 on it", "4712 “4713 too”",
		"④⑦①②", "⁴⁷¹²", "⁴⁷12", "Ⅻ", "½",
		"10:15 rebooted", "10.0.0.1 is down", "2026-11-24 rebooted", "24/11 rebooted", "100% sure", "3:1",
		"event 4712x", "event 4804-4806", "id: 4804..4806", "problem 47l2", "the 4712th", "main 4712", "main:4712", "and 4712",
		"https://elsewhere.example.com/tr_events.php?eventid=4712", "https://jira.example.com/browse/OPS-12", "www.example.com/4712", "<https://jira.example.com/1>",
		"https://zabbix.example.com/ui/tr_events.php?eventid=4712&eventid=4713", "https://zabbix.example.com/ui/zabbix.php?eventids[]=1&eventids[]=2",
		"https://zabbix.example.com/ui/tr_events.php?triggerid=14300", "https://zabbix.example.com/ui/tr_events.php?eventid=4712x", "https://zabbix.example.com/other?eventid=",
		"https://zabbix.example.com/elsewhere/tr_events.php?eventid=4712", "https://zabbix.example.com/ui2/tr_events.php?eventid=4712", "https://zabbix.example.com/uix?eventid=4712", "https://zabbix.example.com@evil.example.net/ui/tr_events.php?eventid=4712",
		"https://zabbix.example.com.evil.example.net/ui/tr_events.php?eventid=4712", "https://zabbix.example.com:8443/ui/tr_events.php?eventid=4712",
		"https://relay.example.com/m/main/4712?eventid=4713", "https://relay.example.com/m/main/", "https://relay.example.com/m/main/x4712", "ftp://zabbix.example.com/ui/?eventid=4712",
		"[4712](https://elsewhere.example.com/?eventid=4713)", "[4713](" + frontend + ")", "[event 4713](" + frontend + ") done", ": 4712", ": 4712, 4713", "-- 4712", "-- 4712 and 4713", "4711: 4712", "4711 -- 4712",
	} {
		for _, verb := range []string{"ack", "close", "unack"} {
			r, fault := configured.Parse(verb + " " + words)
			require.NotNil(t, fault, "%q was parsed as %+v", words, r)
			require.Contains(t, fault.Error(), "I did nothing", words)
			require.Contains(t, fault.Error(), "`"+verb+" ", "%q: no exact form is suggested", words)
			if !strings.ContainsAny(words, "\"“”") && !configured.onlyIDs(strings.TrimLeft(words, ":- ")) {
				r, fault := configured.Parse(verb + ": “" + words + "”")
				require.Nil(t, fault, "%q: the suggested form isn't understood", words)
				require.Equal(t, strings.TrimSpace(words), r.Text)
				require.Empty(t, r.Suspects, words)
			}
			require.Contains(t, fault.Error(), ": \"", "%q: no form for words is suggested", words)
		}
	}
	for _, said := range []string{"comment 10:15 rebooted", "comment https://elsewhere.example.com/?eventid=4712", "comment 4712x see there", "show 4712x", "show 4804-4806", "severity 4712x high", "severity 4804-4806 high",
		"severity high 4712.", "severity high, 4712", "severity high event 4712", "severity 4711 high and 4712", "severity high 4804-4806", "severity 4711 and 4712x high"} {
		r, fault := configured.Parse(said)
		require.NotNil(t, fault, "%q was parsed as %+v", said, r)
	}
}

// A colon or "--" after the verb means that words follow, unless an id does. A single dash doesn't.
func TestMarkedWords(t *testing.T) {
	for said, want := range map[string]string{
		"ack: 10:15 rebooted":       "10:15 rebooted",
		"ack -- 10:15 rebooted":     "10:15 rebooted",
		"ack −− 10:15 rebooted":     "10:15 rebooted",
		"ack: 5 minutes":            "5 minutes",
		"ack:5 minutes":             "5 minutes",
		"ack：5 minutes":             "5 minutes",
		"ack -- 4804-4806 are next": "4804-4806 are next",
		"ack: https://jira.example.com/browse/OPS-12 is open": "https://jira.example.com/browse/OPS-12 is open",
		"ack, thanks":            "thanks",
		"ack - on it":            "on it",
		"ack — on it":            "on it",
		"ack. On it.":            "On it.",
		"ack! on it":             "on it",
		"ACK: on it":             "on it",
		"ack… on it":             "on it",
		"ack problem solved":     "problem solved",
		"ack the 3rd time today": "the 3rd time today",
		"ack no idea":            "no idea",
		"ack and close it":       "and close it",
		"ack sw-17 rebooted":     "sw-17 rebooted",
		"ack OPS-1234 is open":   "OPS-1234 is open",
		"ack 24h watch":          "24h watch",
		"ack help is on the way": "help is on the way",
		"ack “on it”":            "on it",
		"ack it’s the “router” – again…": "it’s the “router” – again…",
	} {
		r, fault := configured.Parse(said)
		require.Nil(t, fault, "%q: %v", said, fault)
		require.Equal(t, Request{Verb: Ack, Text: want, Suspects: r.Suspects}, r, said)
	}
	r, fault := configured.Parse("comment https://jira.example.com/browse/OPS-12")
	require.Nil(t, fault)
	require.Equal(t, "https://jira.example.com/browse/OPS-12", r.Text)
}

// In the thread of problem 8001, in a room that also has 4712, 4713 and 12, a command that names one of those,
// in whatever form, never acts on 8001.
func TestOtherIDNeverMeansThreadProblem(t *testing.T) {
	for _, c := range []struct {
		said string
		want string // the event ids of the calls to Zabbix; "" for none
	}{
		{"close 4712. rebooted it", "4712"},
		{"close 4712,4713", "4712 4713"},
		{"ack 4803 and 4712", ""}, // 4803 isn't in this room
		{"ack 4712 4713.", "4712 4713"},
		{"ack 8001 and 4712", "8001 4712"},
		{"close #4712,#4713", "4712 4713"},
		{"ack event 4712", "4712"},
		{"close 4712x", ""},
		{"close x4712", ""},
		{"close sw4712 is gone", ""},
		{"close sw-4712", ""},
		{"close 12th", ""},
		{"close it, 4712", ""},
		{"close the thing 4712", ""},
		{"close this and 4712", ""},
		{"close same as 4712", ""},
		{"close host sw4712", ""},
		{"close the one on sw-4712.example.com", ""},
		{"ack rebooted rack 47-12", ""},
		{"comment rebooted sw4712", "8001"},
		{"close: rebooted sw4712", "8001"},
		{"close everything", ""},
		{"close everything, yes", ""},
		{"close everything is well", "8001"},
		{"close please, 4712 too", "4712"},
		{"close: 4712", ""},
		{"close: 4712 was it", ""},
		{"close — 4712 was it", ""},
		{"close -- 4712 was it", "8001"},
		{"close: sw4712 was it", ""},
		{`close: "4712 was it"`, "8001"},
		{"close: “sw4712 was it”", "8001"},
		{"close: “4712”", ""},
		{"close: \"4712\" was \"it\"", ""},
		{"close all 4712", ""},
		{"close 4712 -- 4713 was it", ""},
		{"close lab/4712", ""},
		{"close main/4712", "4712"},
		{"close id4,712", ""},
		{"close nr4712", ""},
		{"unack not 4712", ""},
		{"severity high sw4712", ""},
		{"severity high because of 4712", ""},
		{"severity 4712. high", "4712"},
		{"severity (4712) disaster", "4712"},
		{"severity 4712 high 12 customers", ""},
		{"severity 4712 high 17 customers", "4712"},
		{"comment 4712. look here", "4712"},
		{"comment sw4712 is next", ""},
		{"comment same as 4712", "8001"}, // comments name other problems
		{"close 4712 as well as 4713", ""},
		{"close 4712 [and 4713]", ""},
		{"ack 4712 same as 4713", ""},
		{"comment 4712 same as 4713", "4712"},
		{"close all", ""},
		{"close all, yes!", ""},
		{"unack “all”", ""},
		{"close all is well", "8001"},
		{"close restart of 8001", "8001"},
		{"close 8001th", ""},
		{"close 17th time", "8001"}, // no problem has this id
		{"close rebooted", "8001"},
		{"close " + frontend, "4712"},
		{"close http://elsewhere.example.com/?eventid=4712", ""},
		{"ack 4712 sw4713", ""},
		{"ack 4712 4712.", "4712"},
		{"ack 4712 and sw4713", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			for _, id := range []string{"8001", "4712", "4713", "12"} {
				w.problem("main/"+id, "noc")
			}
			w.names = configured
			r := w.start(t)
			defer r.stop()
			r.receives("M1", Input{Text: c.said, Room: "noc", ParentID: "ROOT-main/8001@noc"})
			synctest.Wait()
			var asked []string
			for _, call := range w.calls("main") {
				asked = append(asked, call.EventIDs[0])
			}
			require.Equal(t, c.want, strings.Join(asked, " "), c.said)
			if c.want == "" {
				require.Len(t, w.answers(), 1, c.said)
				require.Contains(t, w.answers()[0], "❔", c.said)
			}
		})
	}
}

// A command acts only on ids in its text, or is answered with a question. It never acts on the thread's problem if its first word
// contains the id of another problem of the room.
func FuzzTargets(f *testing.F) {
	for _, seed := range []string{
		"4712", "4712.", "x4712", "4712x y", "(4712", "4712,4713", "4712 and 4713x", ": 4712", ":4712 x", "4712-4713 x", "47l2", "“4712”", "#4712:", "no.4712", "[4712](http://x/4713)",
		"http://relay/m/main/4712", "a4712b4713", "٤٧١٢", "all 4712", "--4712", "- 4712 x", "4 712", "id4,712", "\u200b4712\u200dx", "help 4712", "the, 4712;", "1,2,3", "main/4712/4713",
	} {
		f.Add(seed)
	}
	known := map[string]bool{"4712": true, "4713": true, "12": true}
	f.Fuzz(func(t *testing.T, words string) {
		r, fault := configured.Parse("close " + words)
		if fault != nil || r.Verb != Close {
			return
		}
		folded := strings.Map(func(c rune) rune {
			switch {
			case unicode.Is(unicode.Nd, c):
				return '0' + digitOf(c)
			case unicode.Is(unicode.Cf, c) || unicode.Is(unicode.Variation_Selector, c) || c == '\u20e3' || c == '\u034f' || unicode.Is(unicode.Cc, c) && !unicode.IsSpace(c) || unicode.Is(unicode.Co, c):
				return -1
			}
			return c
		}, strings.ToValidUTF8(words, "\ufffd"))
		runs := func(s string) []string { return strings.FieldsFunc(s, func(c rune) bool { return c < '0' || c > '9' }) }
		for _, ref := range r.Refs {
			require.Contains(t, runs(folded), ref.EventID, "%q", words)
		}
		if len(r.Refs) > 0 {
			return
		}
		for _, id := range r.Suspects {
			if known[id] { // the reply is a question
				return
			}
		}
		said := strings.TrimLeft(folded, " \n\t\r")
		if strings.HasPrefix(said, "-- ") || strings.Contains(words, "−") || strings.Contains(words, "－") {
			return
		}
		first := strings.Fields(said)
		if len(first) == 0 {
			return
		}
		for _, run := range runs(first[0]) {
			require.False(t, known[run], "%q means the thread's problem: %+v", words, r)
		}
	})
}

// The example in a question proposes the ids in the ambiguous word, and never letters read as digits.
func TestIDsProposedInQuestions(t *testing.T) {
	for word, want := range map[string]string{
		"4804-4806":               "4804 4806",
		"4712rebooted":            "4712",
		"4712-rebooted":           "4712",
		"4712/rebooted":           "4712",
		"4712,rebooted":           "4712",
		"main:4712":               "4712",
		"4712|4713":               "4712 4713",
		"47l2":                    "4712",
		"47O1.":                   "4701",
		"o4712":                   "04712",
		"⁴⁷¹²":                    "4712",
		"4712x":                   "4712",
		"4712.0":                  "4712",
		"12x":                     "12",
		"10:15":                   "",
		"4.712":                   "",
		"10.47.12.1":              "",
		"④⑦①②":                    "",
		"99999999999999999999999": "",
	} {
		require.Equal(t, want, strings.Join(numbersIn(word), " "), word)
	}
}
