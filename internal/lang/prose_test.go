package lang_test

import (
	"go/ast"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// silent are the packages that make no text for a room, with where their texts go. The others are read, a new one too.
var silent = map[string]string{
	"internal/admin":      "answers of the admin API",
	"internal/build":      "the version",
	"internal/client":     "errors of the command line",
	"internal/config":     "faults of the configuration, and the words of its schema",
	"internal/doctor":     "the command line",
	"internal/httpclient": "errors and hints",
	"internal/lang":       "the catalogue itself",
	"internal/provision":  "the command line",
	"internal/receiver":   "answers to Zabbix and other senders",
	"internal/seal":       "errors",
	"internal/simulator":  "a Webex and a Zabbix for tests, and the demo's alerts",
	"internal/store":      "SQL, errors and tests",
	"internal/systemd":    "errors",
	"internal/testdata":   "tests",
	"internal/testrace":   "tests",
	"internal/text":       "words for logs and errors; Lang has those for rooms",
	"internal/tracing":    "names of spans",
	"internal/tryout":     "the command line",
	"internal/vault":      "the audit log",
	"internal/webex":      "errors, and the words of its protocol",
	"internal/webexid":    "prefixes of ids",
	"internal/zabbix":     "errors, the words of its API, and what is written into Zabbix",
}

// speaking are files of silent packages that do make texts for rooms.
var speaking = []string{"internal/config/summary.go"}

// isSilent reports whether a package, or one that it is below, is silent.
func isSilent(dir string) bool {
	for ; dir != "."; dir = path.Dir(dir) {
		if silent[dir] != "" {
			return true
		}
	}
	return false
}

// prose is text that people read as words: two words, or a word beside punctuation and spaces.
var prose = regexp.MustCompile(`\p{L}{2,}[,.:;]? +\p{L}{2,}|^[\pP\pS ]*[A-Z]\p{L}+[.:?!]? *$|^[,.:(·]* [,.:(·]*\p{L}{2,}|\p{L}{3,}[,.:]? $`)

// elsewhere are the calls whose texts aren't for a room, by the name of the function.
var elsewhere = []string{
	"Errorf", "New", "panic", "Error", "Warn", "Info", "Debug", // errors and logs
	"persist", "read", "Retry", "retry", // what a call to the store is for, in logs
	"NewDesc", "Begin", "Start", "Set", // metrics and traces
	"Format", "Time", "Parse", "ParseInLocation", // layouts of times
	"Contains", "HasPrefix", "HasSuffix", "Cut", "CutPrefix", "CutSuffix", "Index", "EqualFold", "TrimSuffix", "TrimPrefix", // comparisons
	"MustCompile",
}

// files without words for a room, by their names alone or with their folders.
var files = map[string]string{
	"metrics.go":                      "help of metrics",
	"trace.go":                        "names of spans",
	"samples.go":                      "invented alerts for previews",
	"units.go":                        "values as Zabbix writes them",
	"internal/relay/bound.go":         "why a message is a dead letter, for operators",
	"internal/relay/reload.go":        "for operators",
	"internal/relay/listen.go":        "for operators",
	"internal/relay/ready.go":         "for operators",
	"internal/relay/tls.go":           "for operators",
	"internal/relay/wire.go":          "names in the log",
	"internal/chat/webhook_repair.go": "names of webhooks, and the log",
	"internal/delivery/step/step.go":  "reasons in the log and in spans",
	"internal/duty/zones.go":          "names of time zones, as calendars have them",
	"internal/duty/filter.go":         "names of properties of calendars",
}

// typed are the fields of the table of verbs whose values people type, or that keys reads.
var typed = []string{"usage", "examples", "object", "aliases", "does", "infinitive", "done"}

// exceptions are literals that look like prose, with the reason why they aren't in the catalogue.
var exceptions = map[string]string{
	"not classified":                       "of the configuration and of Zabbix",
	"severity %d":                          "in errors",
	"(via Webex #":                         "written into Zabbix",
	"Inaccessible user":                    "of Zabbix",
	"receive command":                      "a name of a span",
	"not stored":                           "in the log",
	"its envelope in the store is damaged": "in the audit log",
	"the words are the same":               "in the audit log",
	"ignored: ":                            "in the audit log",
	"an earlier version of the message was carried out": "in the audit log",
	"couldn't be read: ":             "in the audit log",
	"bot %q is no longer configured": "in errors",
	"room %s":                        "in errors",
	"message %s":                     "in errors",
	"alert-relay duty\n":             "hashed",
	"CN":                             "a parameter of calendars",
	"CUTYPE":                         "a parameter of calendars",
	"PARTSTAT":                       "a parameter of calendars",
	"the address":                    "in errors",
	"Accept":                         "a header",
	"webex away":                     "in the log",
	"Bob":                            "a name",
	"the person isn't in an allowed domain any more":           "why a message is a dead letter, for operators",
	"the person has no role any more in a room of the problem": "why a message is a dead letter, for operators",
	"room ":                                "for a terminal",
	"DOWN":                                 "compared with names of problems",
	"UP":                                   "compared with names of problems",
	"not run: too many commands":           "in the audit log",
	"partly done":                          "in the audit log",
	"not done":                             "in the audit log",
	"asked for a confirmation":             "in the audit log",
	"asked for a second person's approval": "in the audit log",
	"the relay":                            "in the audit log",
	"pressed ":                             "in the audit log",
	", asked by ":                          "in the audit log",
	" on ":                                 "in the audit log",
	" for ":                                "in the audit log",
	" to ":                                 "in the audit log",
	"pressed still on, about the problems of a digest": "in the audit log",
	"given up: ":                          "in the audit log",
	"a repetition of command ":            "in the audit log",
	"no role, or gone from Webex, since ": "in the audit log",
	" … (cut by the relay)":               "written into Zabbix",
	"The acknowledgement lapsed: nobody answered whether they are still on it": "written into Zabbix",
	"Started from Webex by ":                  "written into Zabbix",
	" (via Webex) [relay:owner=%s]":           "written into Zabbix",
	"Released":                                "written into Zabbix",
	"Taken by ":                               "written into Zabbix",
	"Assigned to ":                            "written into Zabbix",
	"the token of action ":                    "in errors",
	"lane ":                                   "a name in the log",
	" to wait":                                "in the log",
	"Webex told the ":                         "in the log",
	"not sent":                                "an error",
	"not sent: Webex told the bot to wait":    "an error",
	"message sent":                            "in the log",
	"message not accepted":                    "in the log",
	"dead letter: it can't be sent":           "in the log",
	"dead letter: Webex refused it for good":  "in the log",
	"the room isn't configured (any more)":    "why a message is a dead letter, for operators",
	"not sent: ":                              "why a message is a dead letter, for operators",
	"the problem was pruned":                  "why a message is a dead letter, for operators",
	"reading pending ":                        "in the log",
	"rerouting a problem to the default room": "in the log",
	"announcing a refusing room in the default room": "in the log",
	"reading the problems that left a group":         "in the log",
	"text/plain; charset=utf-8":                      "a type of content",
	"link key":                                       "a name in the store",
	"changed files":                                  "in the log",
	"Canaries that failed, or weren't through after an interval, by the step that they were at.": "help of a metric",
	"noted in ":                                               "in the audit log",
	"my problems":                                             "a command, as people type it",
	"pressed the button for %q":                               "in the audit log",
	"pressed the time zone %q":                                "in the audit log",
	"pressed done on the reminder %d":                         "in the audit log",
	"pressed snooze %s on the reminder %d":                    "in the audit log",
	"its person may not see the problem any more":             "in the log",
	"its room isn't configured any more":                      "in the log",
	" is closed":                                              "in the log",
	"the bot isn't in the space of ":                          "in the log",
	"the reminder is forgotten":                               "in the log",
	"the report was ended":                                    "in the log",
	"its person has no role any more in a room of the report": "in the log",
	" isn't an admin of the room any more":                    "in the log",
	"opened ":                                                 "in the audit log",
	"%s in %s: %s":                                            "in the audit log",
	"ticked already":                                          "in the audit log",
	"posted the review of ":                                   "in the audit log",
	"make the space":                                          "in the log",
	"give up making the space":                                "in the log",
	"reminder %d":                                             "a key of a message",
	"binding expired:%d":                                      "a key of a message",
	"the mute of ":                                            "in the log",
	"mute ended:":                                             "a key of a message",
	"maintenance ":                                            "a command as people type it",
	"run ":                                                    "a command as people type it",
	" on %ssw1":                                               "a command as people type it",
	" %ssw1":                                                  "a command as people type it",
	" ID`":                                                    "a command as people type it",
	"command: detail: %v":                                     "an error",
	"the event is described in a form that can't be read": "an error",
	"route ":                          "of the configuration",
	"No.":                             "compared with what people type",
	"Still on it":                     "a comment that is written into Zabbix",
	"2 Jan ":                          "a layout of times",
	"until tomorrow 8:00":             "a length as people type it",
	"2d, until 14:30, until mon 8:00": "lengths as people type them",
	"Zabbix":                          "a name",
	"Medium":                          "of Adaptive Cards",
	"Small":                           "of Adaptive Cards",
	"None":                            "of Adaptive Cards",
	"Bolder":                          "of Adaptive Cards",
	"Monospace":                       "of Adaptive Cards",
	"AdaptiveCard":                    "of Adaptive Cards",
	"ActionSet":                       "of Adaptive Cards",
	"TextRun":                         "of Adaptive Cards",
	"RichTextBlock":                   "of Adaptive Cards",
}

// excepted are those that were found.
var excepted = map[string]bool{}

// No text for a room stands outside of the catalogue.
func TestNoProseOutsideOfTheCatalogue(t *testing.T) {
	var found []string
	seen := 0
	for _, s := range sources() {
		if isSilent(path.Dir(s.name)) && !slices.Contains(speaking, s.name) || files[path.Base(s.name)] != "" || files[s.name] != "" {
			continue
		}
		seen++
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec, *ast.Field, *ast.CaseClause:
				if c, ok := n.(*ast.CaseClause); ok { // its values are compared
					for _, statement := range c.Body {
						ast.Inspect(statement, func(n ast.Node) bool { return inspect(s, n, &found) })
					}
				}
				return false
			}
			return inspect(s, n, &found)
		})
	}
	require.GreaterOrEqual(t, seen, 20)
	for name := range silent {
		require.DirExists(t, filepath.Join(root, name), "no such package any more")
	}
	slices.Sort(found)
	found = slices.Compact(found)
	if len(found) > 0 { // in full, other than by require
		t.Errorf("%d texts outside of the catalogue (see the package comment):\n%s", len(found), strings.Join(found, "\n"))
	}
	for text := range exceptions {
		require.True(t, excepted[text], "%q is no exception any more", text)
	}
}

// inspect reports prose in a node. It returns false if it has looked at the nodes below.
func inspect(s source, n ast.Node, found *[]string) bool {
	if pair, ok := n.(*ast.KeyValueExpr); ok {
		if field, ok := pair.Key.(*ast.Ident); ok && slices.Contains(typed, field.Name) {
			return false
		}
	}
	switch n := n.(type) {
	case *ast.CallExpr:
		_, name := called(n)
		keys, _ := texts(n)
		if name == "C" {
			keys = n.Args
		}
		if keys == nil && !slices.Contains(elsewhere, name) {
			return true
		}
		for _, a := range n.Args {
			if keys == nil { // its own literals aren't for a room; those of calls in it may be
				if _, constant := literal(a); constant {
					continue
				}
			}
			if !slices.Contains(keys, a) {
				ast.Inspect(a, func(n ast.Node) bool { return inspect(s, n, found) })
			}
		}
		if x, ok := n.Fun.(*ast.SelectorExpr); ok {
			ast.Inspect(x.X, func(n ast.Node) bool { return inspect(s, n, found) })
		}
		return false
	case *ast.BinaryExpr:
		return n.Op != token.EQL && n.Op != token.NEQ
	case *ast.IndexExpr:
		return false
	case *ast.BasicLit:
		if text, ok := literal(n); ok && prose.MatchString(verb.ReplaceAllString(code.ReplaceAllString(text, ""), "")) {
			if excepted[text] = true; exceptions[text] == "" {
				*found = append(*found, s.at(n)+": "+n.Value)
			}
		}
	}
	return true
}
