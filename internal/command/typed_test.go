package command

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
)

// Punctuation around a verb is ignored; a question mark asks for help.
func TestVerbPunctuation(t *testing.T) {
	for _, said := range []string{"ack", "ack.", "Ack!", "ACK:", "ack…", "ack ,", "/ack", "!ack", "- ack", "• ack", "– ack", "*ack*", "`ack`", "ａｃｋ", "ack！", "ack。", "ack\u00a0", "\u200back", "ack\ufeff", "ack;", "ack -", "..ack"} {
		r, fault := Names{}.Parse(said)
		require.Nil(t, fault, "%q: %v", said, fault)
		require.Empty(t, cmp.Diff(Request{Verb: Ack}, r, cmpopts.EquateEmpty()), "%q", said)
	}
	for said, want := range map[string]string{
		"ack4712": "Did you mean `ack 4712`?", "ack-4712": "Did you mean `ack 4712`?", "ack#4712": "Did you mean `ack 4712`?", "ack/4712": "Did you mean `ack 4712`?", "close.4712": "Did you mean `close 4712`?",
		"akc!": "Did you mean `ack`?", "“ack 4712”": "Did you mean `ack`?", "4712.": "What should I do with `4712`?", "(4712)": "What should I do with `4712`?", "> close 4712": "I don't know the command",
	} {
		r, fault := Names{}.Parse(said)
		require.NotNil(t, fault, "%q was parsed as %+v", said, r)
		require.Contains(t, fault.Error(), want, said)
	}
}

// A question about a command never executes it.
func TestHelpDoesNothing(t *testing.T) {
	for _, words := range []string{
		"help", "Help!", "help?", "help.", "--help", "—help", "–help", "-help", "−−help", "－－help", "-h", "—h", "--h", "/?", "/help", "?", "??", "？", "-?", "help me", "help please", "“help”", "--help 4712",
		"4712 --help", "4712 —help", "4712 help", "4712 ?", "how?", "why？", ": help", "- help", "— help", ", help", "rebooted it --help",
	} {
		r, fault := Names{}.Parse("close " + words)
		require.Nil(t, fault, "%q: %v", words, fault)
		require.Equal(t, Request{Verb: Help, Topic: Close}, r, words)
	}
	for _, said := range []string{"help close", "help: close", "help “close”", "? close", "HELP Close.", "help resolve", "close?", "close?!", "close ? 4712"} {
		r, fault := Names{}.Parse(said)
		require.Nil(t, fault, "%q: %v", said, fault)
		require.Equal(t, Verb("help"), r.Verb, said)
	}
	for _, words := range []string{"help is on the way", "help: is coming", "helpdesk knows", "4712 help is on the way"} {
		r, fault := Names{}.Parse("ack " + words)
		require.Nil(t, fault, "%q: %v", words, fault)
		require.Equal(t, Ack, r.Verb, words)
	}
}

// Filters mean the same whatever quotes, dashes and spaces a keyboard produces.
func TestFilterPunctuation(t *testing.T) {
	high := severities(alert.High)
	above := severities(alert.High, alert.Disaster)
	for said, want := range map[string]Filter{
		"problems text=“Link down”":             {Text: "Link down"},
		"problems text=„Link down“":             {Text: "Link down"},
		"problems text=«Link down» high":        {Text: "Link down", Severity: high},
		"problems text='Link down'":             {Text: "Link down"},
		"problems text=‘Link down’":             {Text: "Link down"},
		"problems text = “Link down”":           {Text: "Link down"},
		"problems “Link down”":                  {Text: "Link down"},
		`problems "Link down", high`:            {Text: "Link down", Severity: high},
		"problems host=“sw1”":                   {Host: "sw1"},
		"problems host=“SW 1*” unacked":         {Host: "sw 1*", Acknowledged: new(false)},
		"problems host = sw1":                   {Host: "sw1"},
		"problems host=sw1.":                    {Host: "sw1."},
		"problems host=core—sw1":                {Host: "core-sw1"},
		"problems: high":                        {Severity: high},
		"problems, high.":                       {Severity: high},
		"problems high, unacked":                {Severity: high, Acknowledged: new(false)},
		"problems ≥high":                        {Severity: above},
		"problems ≥ high":                       {Severity: above},
		"problems severity >= high":             {Severity: above},
		"problems severity＝４":                   {Severity: high},
		"problems high\u00a0acked":              {Severity: high, Acknowledged: new(true)},
		"problems high,disaster":                {Severity: above},
		"problems text=it’s down":               {Text: "it’s down", Plain: "it's down"},
		"problems 磁盘空间不足，剩余":                    {Text: "磁盘空间不足，剩余", Plain: "磁盘空间不足,剩余"},
		"problems text=\"link":                  {Text: "link"},
		"problems text:“Link down”":             {Text: "Link down"},
		"problems Host : sw1 unacked":           {Host: "sw1", Acknowledged: new(false)},
		"problems host:<sw1>":                   {Host: "sw1"},
		"problems host=`sw1`":                   {Host: "sw1"},
		"problems severity:high":                {Severity: map[alert.Severity]bool{alert.High: true}},
		"problems severity=“high”":              {Severity: map[alert.Severity]bool{alert.High: true}},
		"problems >=“high”":                     {Severity: map[alert.Severity]bool{alert.High: true, alert.Disaster: true}},
		"problems unacked“":                     {Acknowledged: new(false)},
		"problems host=fe80::1":                 {Host: "fe80::1"},
		"problems disk C:":                      {Text: "disk C:"},
		"problems text=“link":                   {Text: "link"},
		"problems host=https://db1.example.com": {Host: "https://db1.example.com"},
	} {
		r, fault := Names{}.Parse(said)
		require.Nil(t, fault, "%q: %v", said, fault)
		require.Empty(t, cmp.Diff(Request{Verb: Problems, Filter: want}, r, cmpopts.EquateEmpty()), "%q", said)
	}
	for _, said := range []string{"problems help", "problems --help", "problems —help", "problems ?"} {
		r, fault := Names{}.Parse(said)
		require.Nil(t, fault, said)
		require.Equal(t, Request{Verb: Help, Topic: Problems}, r, said)
	}
}

// A search that finds nothing is repeated with plain punctuation, so that a keyboard never causes "No problems".
func TestSearchWithPlainPunctuation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		k := w.problem("main/4711", "noc")
		p := w.find(k)
		p.Name = "it's down"
		w.put(p)
		r := w.start(t)
		defer r.stop()
		r.receives("M1", Input{Text: "problems text=“it’s down”", Room: "noc"})
		r.receives("M2", Input{Text: "problems text=“it’s up”", Room: "noc"})
		synctest.Wait()
		require.Equal(t, []string{"LIST 1: main/4711", "No open problem matches “it’s up” in the name. One other is open here: `problems` shows it."}, w.answers())
	})
}

// The reply to an empty search says what was searched for and how many problems are open. It is "No problems."
// only if none is.
func TestEmptySearch(t *testing.T) {
	for _, c := range []struct {
		said string
		open int
		want string
	}{
		{"problems", 0, "LIST 0: "},
		{"problems host=sw1,sw2", 0, "No open problem matches host `sw1,sw2`, and no other is open here."},
		{"problems host=sw1,sw2", 1, "No open problem matches host `sw1,sw2`. One other is open here: `problems` shows it."},
		{"problems host=sw1,sw2", 3, "No open problem matches host `sw1,sw2`. 3 others are open here: `problems` lists them."},
		{"problems nothing like it", 3, "No open problem matches “nothing like it” in the name. 3 others are open here: `problems` lists them."},
		{"problems disaster", 2, "No open problem matches severity disaster. 2 others are open here: `problems` lists them."},
		{"problems >=high acked", 2, "No open problem matches severity high or disaster, acknowledged. 2 others are open here: `problems` lists them."},
		{"problems acked text=“<@all> [x](http://x)”", 2, "No open problem matches acknowledged, “&lt;&#64;all&gt; \\[x\\]\\(http:\u200b//x\\)” in the name. 2 others are open here: `problems` lists them."},
		{"problems host=`x`", 2, "No open problem matches host `x`. 2 others are open here: `problems` lists them."},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			for i := range c.open {
				w.problem(fmt.Sprintf("main/%d", 4711+i), "noc")
			}
			w.problem("main/9999", "db") // another room's problem doesn't count
			r := w.start(t)
			defer r.stop()
			r.receives("M1", Input{Text: c.said, Room: "noc"})
			synctest.Wait()
			require.Equal(t, []string{c.want}, w.answers(), c.said)
		})
	}
}

// "ack all" means the same with any punctuation, and only a plain yes confirms it.
func TestAckAllPunctuation(t *testing.T) {
	type want struct {
		all, yes bool
		text     string
	}
	for said, want := range map[string]want{
		"ack all":              {all: true},
		"ack all.":             {all: true},
		"ack “all”":            {all: true},
		"Ack ALL!":             {all: true},
		"ack all, yes":         {all: true, yes: true},
		"ack all,yes":          {all: true, yes: true},
		"ack all: yes":         {all: true, yes: true},
		"ack ALL yes!":         {all: true, yes: true},
		"ack all - yes.":       {all: true, yes: true},
		"ack all — Yes":        {all: true, yes: true},
		"ack all “yes”":        {all: true, yes: true},
		"`ack all yes`":        {all: true, yes: true},
		"ack all yes, on it":   {all: true, yes: true, text: "on it"},
		"ack all yes: it’s us": {all: true, yes: true, text: "it’s us"},
		"ack all yes?":         {all: true, text: "yes?"},
		"ack all yess":         {all: true, text: "yess"},
		"ack all ok":           {all: true, text: "ok"},
		"ack all but not yes":  {all: true, text: "but not yes"},
		"ack: all yes":         {},
		"ack allright yes":     {},
	} {
		r, fault := Names{}.Parse(said)
		require.Nil(t, fault, "%q: %v", said, fault)
		require.Equal(t, want.all, r.All, said)
		require.Equal(t, want.yes, r.Yes, said)
		if want.all {
			require.Equal(t, want.text, r.AllText, said)
		}
	}
	for _, c := range []struct {
		said, thread string
		calls        int
	}{
		{"ack all.", "DIGEST", 0},
		{"ack all, yes", "DIGEST", 6},
		{"ack ALL: yes! on it", "DIGEST", 6},
		{"ack all, yes", "ROOT-main/4711@noc", 0}, // it isn't the thread of a digest
		{"ack all.", "ROOT-main/4711@noc", 0},
		{"ack all, yes", "", 0},
		{"ack all good again", "ROOT-main/4711@noc", 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.problem("main/4711", "noc")
			w.digested(6)
			r := w.start(t)
			defer r.stop()
			r.receives("M1", Input{Text: c.said, Room: "noc", ParentID: c.thread})
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Len(t, append(w.calls("main"), w.calls("lab")...), c.calls, c.said)
			if c.calls == 0 {
				require.Contains(t, w.answers()[0], "❔", c.said)
			}
		})
	}
}

// A person's words keep their typography.
func TestWordsKeepTypography(t *testing.T) {
	for said, want := range map[string]string{
		"comment 4711 it’s “done” – really…":    "it’s “done” – really…",
		"comment ４７１１：ａｂｃ 完了。":                  "ａｂｃ 完了。",
		"comment 4711 “all of it”":              "all of it",
		"comment 4711: №5 is next, ≥3 are left": "№5 is next, ≥3 are left",
		"comment 4711 naïve → fixed 👍🏽":         "naïve → fixed 👍🏽",
		"comment 4711 one\ntwo":                 "one\ntwo",
		"comment 4711 — line":                   "line",
	} {
		r, fault := Names{}.Parse(said)
		require.Nil(t, fault, "%q: %v", said, fault)
		require.Equal(t, want, r.Text, said)
	}
}

// The plain form maps back to the original text, piece by piece.
func FuzzPlain(f *testing.F) {
	for _, seed := range []string{"“a…” № 4７", "\u200b x\u00a0", "４️⃣ – ≥", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said string) {
		s := speak(said)
		require.Len(t, s.at, len(s.plain)+1)
		require.True(t, utf8.ValidString(s.plain))
		for i := range len(s.plain) {
			require.LessOrEqual(t, s.at[i], s.at[i+1])
		}
		for rest := s.plain; rest != ""; _, rest = firstWord(rest) {
			require.True(t, strings.HasSuffix(strings.TrimSpace(s.said), s.written(rest)), "%q", said)
		}
	})
}

// A word that looks like an option is a question, and nothing is done, whatever the verb, its place and the dashes that a phone made of
// it. Behind a colon or quotes, and inside a comment, it is one of the person's words.
func TestOptionsAreQuestions(t *testing.T) {
	for _, said := range []string{
		"close --usage", "close —usage", "close --dry-run", "close –dry-run", "ack -n", "close --dry-run 4711", "ack --verbose on it", "comment --x", "severity --list", "unack ——usage",
		"ack 4711 --dry-run", "ack 4711 —dry-run", "ack 4711 –dry-run", "ack 4711 −−dry-run", "ack 4711 on it --dry-run", "ack 4711 4712 —dry-run on it", "ack —on it", "ack all --yes",
		"comment 4711 --dry-run waiting", "comment 4711 —dry-run", "take 4711 --dry-run", "assign 4711 alice --quiet", "severity 4711 high --dry-run why not", "suppress 4711 2h —dry-run",
		"suppress 4711 --force 2h", "symptom 4711 --of 4712", "show 4711 --verbose", "problems --all", "problems: --all", "mine --page 2", "audit —all", "rooms --all", "why 4711 –v", "help --all",
		"run --dry-run ping", "run ping on sw1 —dry-run", "run ping -c 3 on sw1", "maintenance start sw1 2h --dry-run", "maintenance: start --dry-run sw1 2h", "mute db 2h --dry-run", "approve --all", "token --new", "forget me --now",
	} {
		_, fault := Names{}.Parse(said)
		require.NotNil(t, fault, said)
		require.Contains(t, fault.Error(), "I don't know the option", said)
	}
	for said, words := range map[string]string{
		"close: --usage": "--usage", "close -- --usage": "--usage", "ack - on it": "on it", "ack -- on it": "on it", "ack — on it — really": "on it — really",
		"ack 4711: --force": "--force", "ack 4711: it needs --force": "it needs --force", `ack 4711 "it needs --force"`: "it needs --force", "ack — done": "done",
		"comment 4711 restarted with --force -v": "restarted with --force -v", "comment 4711 restarted with —force": "restarted with —force", "ack 4711 re-read it": "re-read it",
		"maintenance start sw1 2h: --force was needed": "--force was needed", `problems text="--force"`: "",
	} {
		r, fault := Names{}.Parse(said)
		require.Nil(t, fault, "%q: %v", said, fault)
		require.Equal(t, words, r.Text, said)
	}
}

// The verbs of a control desk mean the same as people type them on phones.
func TestTypedVerbs(t *testing.T) {
	hours := func(n time.Duration) Length { return Length{For: n * time.Hour} }
	monday := Length{Until: &Clock{Hour: 8, Weekday: new(time.Monday)}}
	lab := []alert.Key{{Source: "main", EventID: "4711"}}
	names := Names{Sources: map[string]string{"main": "https://zabbix.example.com"}, people: []string{"Bob", "Bob Baker"}}
	for said, want := range map[string]Request{
		"SUPPRESS 4711 2H":                        {Verb: Suppress, Refs: ids("4711"), Length: hours(2)},
		"Suppress main/4711, 120 min":             {Verb: Suppress, Refs: lab, Length: hours(2)},
		"suppress 4711 — 1h — it’s noisy":         {Verb: Suppress, Refs: ids("4711"), Length: hours(1), Text: "it’s noisy"},
		"suppress 4711 until Mon 8:00!":           {Verb: Suppress, Refs: ids("4711"), Length: monday},
		"Suppress “2h”":                           {Verb: Suppress, Length: hours(2)},
		"unsuppress, 4711.":                       {Verb: Unsuppress, Refs: ids("4711")},
		"UNSUPPRESS main/4711 done":               {Verb: Unsuppress, Refs: lab, Text: "done"},
		"Take 4711!":                              {Verb: Take, Refs: ids("4711")},
		"Claim #4711":                             {Verb: Take, Refs: ids("4711")},
		"TAKE 4711 & Ack!":                        {Verb: Take, Refs: ids("4711"), Ack: true},
		"take 4711,4712 on it":                    {Verb: Take, Refs: ids("4711", "4712"), Text: "on it"},
		"Assign 4711 To Me":                       {Verb: Assign, Refs: ids("4711"), Person: "me"},
		"assign main/4711: “Bob Baker”":           {Verb: Assign, Refs: lab, Person: "bob baker"},
		"assign 4711 ＠Bob":                        {Verb: Assign, Refs: ids("4711"), Person: "bob"},
		"Assign 4711 bob@example.com, it’s yours": {Verb: Assign, Refs: ids("4711"), Person: "bob@example.com", Text: "it’s yours"},
		"Mute DB 2h":                              {Verb: MuteRoute, Route: "DB", Length: hours(2)},
		"mute “db servers” 2 hours: patches":      {Verb: MuteRoute, Route: "db servers", Length: hours(2), Text: "patches"},
		"MUTE: db, until Mon 8:00":                {Verb: MuteRoute, Route: "db", Length: monday},
		"mute route db — for 2h":                  {Verb: MuteRoute, Route: "db", Length: hours(2)},
		"Unmute “db”!":                            {Verb: UnmuteRoute, Route: "db"},
		"Why 4711?":                               {Verb: Why, Refs: ids("4711")},
		"why, main/4711 ?":                        {Verb: Why, Refs: lab},
		"History main/4711.":                      {Verb: History, Refs: lab},
		"Graph 4711, 3h.":                         {Verb: Graph, Refs: ids("4711"), Length: hours(3)},
		"GRAPH: main/4711 — last “2 hours”":       {Verb: Graph, Refs: lab, Length: hours(2)},
		"Who 4711?!?":                             {Verb: Who, Refs: ids("4711")},
		"Mine!":                                   {Verb: Mine},
		"MINE, Page 2.":                           {Verb: Mine, Page: 1},
		"More…":                                   {Verb: More},
		"Audit “alice” since 2 hours":             {Verb: Audit, Person: "alice", Length: hours(2)},
		"AUDIT main/4711!":                        {Verb: Audit, Refs: lab},
		"audit, page 2.":                          {Verb: Audit, Page: 1},
		"Maintenance List.":                       {Verb: Maintenance, Task: &Task{What: listThem}},
		"Maintenance start sw1, 2h: it’s new":     {Verb: Maintenance, Task: &Task{What: startIt, Hosts: []string{"sw1"}}, Length: hours(2), Text: "it’s new"},
		"maintenance Stop “sw 1”.":                {Verb: Maintenance, Task: &Task{What: stopIt, Hosts: []string{"sw 1"}}},
		"maintenance start group=“Core sw” 2H":    {Verb: Maintenance, Task: &Task{What: startIt, Group: "Core sw"}, Length: hours(2)},
		"RUN “ping” ON “sw1”":                     {Verb: Run, Task: &Task{Script: "ping", Hosts: []string{"sw1"}}},
		"Run.":                                    {Verb: Run, Task: &Task{}},
		"TOKEN":                                   {Verb: Token},
		"Forget Me!":                              {Verb: Forget},
		"Rooms!":                                  {Verb: Rooms},
		"Approve.":                                {Verb: Approve},
		"mine?":                                   {Verb: Help, Topic: Mine},
		"who ?":                                   {Verb: Help, Topic: Who},
	} {
		r, fault := names.Parse(said)
		require.Nil(t, fault, "%q: %v", said, fault)
		r.Suspects = nil
		require.Empty(t, cmp.Diff(want, r, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(Request{})), "%q", said)
	}
	for said, want := range map[string]string{
		"suppress4711 2h":      "Did you mean `suppress 4711`?",
		"suppress 4711 2":      "For how long?",
		"suppress 4711 für 2h": "I don't understand `für` before the length",
		"assign to me 4711":    "Put the event id first",
		"mute db 2":            "for how long?",
		"mute “db”":            "for how long?",
		"Why is 4711 here?":    "takes event ids and nothing else",
		"History, please":      "takes event ids and nothing else",
		"audit since forever":  "Since when?",
		"maintenance 2h sw1":   "Start, list or stop?",
		"run ping sw1":         "I don't understand `sw1`, so I ran nothing",
		"forget everything":    "`forget me` forgets",
		"approve 4711":         "takes no words",
	} {
		r, fault := names.Parse(said)
		require.NotNil(t, fault, "%q was parsed as %+v", said, r)
		require.Contains(t, fault.Error(), want, said)
	}
}
