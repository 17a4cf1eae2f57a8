package command

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/text"
)

func ids(keys ...string) []alert.Key {
	out := make([]alert.Key, 0, len(keys))
	for _, k := range keys {
		out = append(out, alert.ParseKey(k))
	}
	return out
}

func severities(s ...alert.Severity) map[alert.Severity]bool {
	out := make(map[alert.Severity]bool)
	for _, one := range s {
		out[one] = true
	}
	return out
}

// Commands as people write them.
func TestParse(t *testing.T) {
	for said, want := range map[string]Request{
		"":                               {Verb: Help},
		"  \n ":                          {Verb: Help},
		"?":                              {Verb: Help},
		"help":                           {Verb: Help},
		"help ack":                       {Verb: Help, Topic: Ack},
		"HELP Acknowledge":               {Verb: Help, Topic: Ack},
		"ack ?":                          {Verb: Help, Topic: Ack},
		"close --help":                   {Verb: Help, Topic: Close},
		"ack":                            {Verb: Ack},
		"Ack":                            {Verb: Ack},
		"/ack 4711":                      {Verb: Ack, Refs: ids("4711")},
		", ack 4711":                     {Verb: Ack, Refs: ids("4711")},
		"ack on it":                      {Verb: Ack, Text: "on it"},
		"ACK 4711 On It":                 {Verb: Ack, Refs: ids("4711"), Text: "On It"},
		`ack 4711 "on it"`:               {Verb: Ack, Refs: ids("4711"), Text: "on it"},
		`ack 4711 said "no" twice`:       {Verb: Ack, Refs: ids("4711"), Text: `said "no" twice`},
		"ack main/4711 on it":            {Verb: Ack, Refs: ids("main/4711"), Text: "on it"},
		"ack #4711":                      {Verb: Ack, Refs: ids("4711")},
		"ack 4711 4712 text":             {Verb: Ack, Refs: ids("4711", "4712"), Text: "text"},
		"ack 4711, 4712, main/7: on it":  {Verb: Ack, Refs: ids("4711", "4712", "main/7"), Text: "on it"},
		"ack 4711 4711":                  {Verb: Ack, Refs: ids("4711")},
		"ack: 5 minutes":                 {Verb: Ack, Text: "5 minutes"},
		"ack 4711: 5 minutes":            {Verb: Ack, Refs: ids("4711"), Text: "5 minutes"},
		"ack 4711\nline one\nline two":   {Verb: Ack, Refs: ids("4711"), Text: "line one\nline two"},
		"ack: 10.0.0.1 is down":          {Verb: Ack, Text: "10.0.0.1 is down"},
		"ack 3rd time":                   {Verb: Ack, Text: "3rd time"},
		"ack help is coming":             {Verb: Ack, Text: "help is coming"},
		"acknowledge 1":                  {Verb: Ack, Refs: ids("1")},
		"unack 4711":                     {Verb: Unack, Refs: ids("4711")},
		"comment 4711 waiting":           {Verb: Comment, Refs: ids("4711"), Text: "waiting"},
		"comment waiting":                {Verb: Comment, Text: "waiting"},
		"resolve 4711 done":              {Verb: Close, Refs: ids("4711"), Text: "done"},
		"show":                           {Verb: Show},
		"show 4711 lab/3":                {Verb: Show, Refs: ids("4711", "lab/3")},
		"severity 4711 high":             {Verb: Severity, Refs: ids("4711"), Severity: new(alert.High)},
		"sev 4711 to HIGH customers":     {Verb: Severity, Refs: ids("4711"), Severity: new(alert.High), Text: "customers"},
		"severity high":                  {Verb: Severity, Severity: new(alert.High)},
		"severity 4":                     {Verb: Severity, Severity: new(alert.High)},
		"severity 4711 4":                {Verb: Severity, Refs: ids("4711"), Severity: new(alert.High)},
		"severity 4711 4 disk":           {Verb: Severity, Refs: ids("4711"), Severity: new(alert.High), Text: "disk"},
		"severity 4711 not classified x": {Verb: Severity, Refs: ids("4711"), Severity: new(alert.NotClassified), Text: "x"},
		"severity not-classified":        {Verb: Severity, Severity: new(alert.NotClassified)},
		"severity high: 3 customers":     {Verb: Severity, Severity: new(alert.High), Text: "3 customers"},
		"problems":                       {Verb: Problems},
		"list all":                       {Verb: Problems},
		"problems high":                  {Verb: Problems, Filter: Filter{Severity: severities(alert.High)}},
		"problems >=high unacked":        {Verb: Problems, Filter: Filter{Severity: severities(alert.High, alert.Disaster), Acknowledged: new(false)}},
		"problems high+":                 {Verb: Problems, Filter: Filter{Severity: severities(alert.High, alert.Disaster)}},
		"problems severity<warning":      {Verb: Problems, Filter: Filter{Severity: severities(alert.NotClassified, alert.Information)}},
		"problems severity=4,5":          {Verb: Problems, Filter: Filter{Severity: severities(alert.High, alert.Disaster)}},
		"problems high,disaster acked":   {Verb: Problems, Filter: Filter{Severity: severities(alert.High, alert.Disaster), Acknowledged: new(true)}},
		"ls host=SW1* link down":         {Verb: Problems, Filter: Filter{Host: "sw1*", Text: "link down"}},
		`problems text="disk full" high`: {Verb: Problems, Filter: Filter{Severity: severities(alert.High), Text: "disk full"}},
		"problems text=hgih":             {Verb: Problems, Filter: Filter{Text: "hgih"}},
		"problems 4":                     {Verb: Problems, Filter: Filter{Text: "4"}},
	} {
		got, fault := Names{}.Parse(said)
		require.Nil(t, fault, "%q", said)
		require.Empty(t, cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Request{}, "Suspects")), "%q", said)
	}
}

// A misspelt command gets a suggestion.
func TestMisspeltCommands(t *testing.T) {
	for said, want := range map[string]string{
		"akc 4711":                   "Did you mean `ack`?",
		"acknowlege 4711":            "Did you mean `ack`?",
		"cloes 4711":                 "Did you mean `close`?",
		"severty high":               "Did you mean `severity`?",
		"problms":                    "Did you mean `problems`?",
		"hepl":                       "Did you mean `help`?",
		"help akc":                   "Did you mean `ack`?",
		"frobnicate":                 "I don't know the command `frobnicate`. `help` lists the commands.",
		"4711":                       "What should I do with `4711`?",
		"comment":                    "What should I write?",
		"comment 4711":               "What should I write?",
		"show 4711 now":              "`problems now`",
		"severity":                   "Which severity? One of `not-classified`, `information`",
		"severity 4711":              "Which severity?",
		"severity 4711 hihg":         "Did you mean `high`?",
		"severity 4711 purple":       "I don't know the severity `purple`",
		"severity 9":                 "A severity is 0 to 5",
		"severity high 4711 because": "Put the event id first: `severity 4711 high`",
		"problems hgih":              "Did you mean `high`?",
		"problems unakced":           "Did you mean `unacked`?",
		"problems hsot=sw1":          "Did you mean `host=`?",
		"problems room=noc":          "I don't know the filter `room=`",
		"problems severity=purple":   "I don't know the severity `purple`",
		"problems >disaster":         "No severity is `>disaster`",
		"problems host=":             "Which host?",
		"<@all>":                     "I don't know the command",
		"ack " + strings.Repeat("1 2 3 4 5 6 7 8 9 10 ", 1) + "11 12 13 14 15 16 17 18 19 20 21": "more than 20 problems",
	} {
		_, fault := Names{}.Parse(said)
		require.NotNil(t, fault, "%q", said)
		require.Contains(t, fault.Error(), want, "%q", said)
	}
}

// Any text is parsed without a panic, and the result is within its limits.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"ack 4711 on it", "ack main/4711, #12: x", "severity 4711 not classified x", "problems >=high host=sw* text=\"a b", "help ack", "::::", "ack\u202e4711 \x00\x1b[31m",
		"severity high 4711", "comment `<@all>` [x](http://y)", "\xff\xfe", "problems severity=,,", "ack 99999999999999999999999", "“quoted”", "list high+ <=5 =",
		"suppress 4711 1h 30m: x", "suppress until mon 8:00 y", "suppress 4711 until 5 p.m.", "suppress (2h) 4711", "suppress 2h for until 99:99 `<@all>`",
		"assign 4711 @Bob Baker: on it", "assign to “Bob” <@all>", "take 4711 ack x", "mine page 2", "mute “db” 2h: `x", "unmute route db.", "audit 4711 bob@example.com since 2d page 3",
		"maintenance start \"sw 1\", sw2 2h x", "maintenance start group=“a`b” until mon", "maintenance stop mr-abc", "run ping on host=sw1", "run `x` on <@all>", "token main", "forget me", "approve", "who 4711",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said string) {
		r, fault := Names{people: []string{"Bob", "Bob Baker", "4711", "`<@all>`", ""}}.Parse(said)
		if fault != nil {
			require.NotEmpty(t, fault.Error())
			require.True(t, utf8.ValidString(fault.Error()))
			require.NotContains(t, fault.Error(), "<@")
			require.Zero(t, strings.Count(fault.Error(), "`")%2, "%q: an open code span lets markup out: %q", said, fault.Error())
			require.LessOrEqual(t, len(fault.Error()), 2000)
			return
		}
		require.NotNil(t, lookup(string(r.Verb)))
		require.LessOrEqual(t, len(r.Refs), maxRefs)
		for _, ref := range r.Refs {
			require.Regexp(t, `^[0-9]{1,20}$`, ref.EventID)
			require.Regexp(t, `^[A-Za-z0-9._-]*$`, ref.Source)
		}
		for _, words := range []string{r.Text, r.Filter.Text, r.Filter.Host} {
			require.True(t, utf8.ValidString(words))
			for _, c := range words {
				require.False(t, c != '\n' && text.Dangerous(c), "%q: %U", said, c)
			}
		}
		require.Equal(t, r.Verb == Severity, r.Severity != nil)
		if r.Verb != Audit { // its length is a filter
			lasts := r.Verb.entry().lasts || r.Task != nil && r.Task.What == startIt
			require.True(t, lasts || r.Length == Length{})
			if lasts && r.Length == (Length{}) { // "0h"
				_, fault := r.Length.end(time.Unix(0, 0), time.UTC)
				require.NotEmpty(t, fault, "no length is refused")
			}
		}
		if r.Verb == Comment {
			require.NotEmpty(t, r.Text)
		}
	})
}

// Every verb has a role, help with valid examples, and one way to be carried out.
func TestVerbTable(t *testing.T) {
	words := map[string]bool{}
	for _, v := range verbs {
		require.NotEmpty(t, v.does, v.name)
		require.NotEmpty(t, v.role, v.name)
		require.NotNil(t, v.parse, v.name)
		kinds := 0
		for _, has := range []bool{v.act != nil, v.answer != nil, v.work != nil, v.handle != nil, v.name == Approve} { // approve becomes what it approves
			if has {
				kinds++
			}
		}
		require.Equal(t, 1, kinds, v.name)
		require.True(t, v.confirms == nil || v.handle != nil, v.name)
		require.NotEmpty(t, v.examples, v.name)
		for _, example := range v.examples {
			r, q := Names{}.Parse(example)
			require.Nil(t, q, "the example %q of help isn't understood", example)
			require.Equal(t, v.name, r.Verb)
		}
	}
	for _, name := range verbNames() {
		require.False(t, words[name], "%q means two verbs", name)
		words[name] = true
	}
}

// The examples in the documentation are valid, and it has every name of a verb.
func TestDocumentedExamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/commands.md")
	require.NoError(t, err)
	examples := regexp.MustCompile(`(?m)^    @relay (.*)$`).FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(examples), len(verbs))
	for _, e := range examples {
		_, fault := Names{}.Parse(e[1])
		require.Nil(t, fault, e[1])
	}
	for _, name := range verbNames() {
		require.Regexp(t, "`"+regexp.QuoteMeta(name)+"[` ]", string(page))
	}
}
