package zabbix

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

// simulated is a client of a simulated Zabbix with the open problems 4701 and 4702, and the log of both.
func simulated(t *testing.T, version string) (*zabbixsim.Server, *Client, *bytes.Buffer) {
	t.Helper()
	z, err := zabbixsim.New(zabbixsim.Options{Version: version, Quick: true})
	require.NoError(t, err)
	for range 2 {
		z.Raise(z.Triggers()[0])
	}
	transport, hangUp := memnet.Serve("zabbix.test:80", z)
	t.Cleanup(hangUp)
	var log bytes.Buffer
	return z, New(Options{URL: "http://zabbix.test", Token: zabbixsim.RelayToken, Transport: transport, Log: slog.New(slog.NewTextHandler(&log, nil))}), &log
}

// A smaller batch is tried only if the request reached Zabbix or was too large.
func TestMayBeBatch(t *testing.T) {
	for name, tc := range map[string]struct {
		err  Error
		want bool
	}{
		"too large for the proxy":       {Error{Kind: Unreachable, Status: 413}, true},
		"too long for the proxy":        {Error{Kind: Unreachable, Status: 414}, true},
		"a gateway gave up waiting":     {Error{Kind: Unreachable, Status: 504, Unanswered: true}, true},
		"PHP ended early":               {Error{Kind: Unreachable, Status: 500}, true},
		"the answer was lost":           {Error{Kind: Unreachable, Unanswered: true}, true},
		"nobody listens":                {Error{Kind: Unreachable}, false},
		"the proxy requires a login":    {Error{Kind: Unreachable, Status: 401}, false},
		"the proxy limits calls":        {Error{Kind: Unreachable, Status: 429}, false},
		"a statement failed":            {Error{Kind: Broken, Interrupted: true}, true},
		"the database is unreachable":   {Error{Kind: Broken}, false},
		"the token is wrong":            {Error{Kind: NotAuthorised}, false},
		"the role forbids it":           {Error{Kind: RoleForbids}, false},
		"an id isn't a number":          {Error{Kind: Invalid}, true},
		"refused for an unknown reason": {Error{Kind: Other}, true},
	} {
		require.Equal(t, tc.want, tc.err.MayBeBatch(), name)
	}
}

// An unexpected answer shows whether Zabbix refused, and whether the call may have been carried out.
func TestMeaningOfUnexpectedAnswers(t *testing.T) {
	const (
		notDone = iota // nothing was done
		ended          // it was begun, and has ended with a failure
		maybe          // it may be done, now or later
	)
	type means struct {
		kind ErrorKind
		act  int
		says string
	}
	want := map[string]means{
		"database-away": {Broken, notDone, "its database can't be reached"}, "database-away-old": {Broken, notDone, "its database can't be reached"},
		"database-charset": {Broken, notDone, "its database can't be reached"}, "server-away": {Broken, notDone, "its server isn't running"},
		"system-error": {Broken, ended, "internal error"}, "internal-error": {Broken, ended, "internal error"}, "no-reason": {Broken, ended, "internal error"},
		"unknown-code": {Broken, ended, "internal error"}, "error-in-data": {Broken, ended, "internal error"},
		"sql-failed": {Broken, ended, "its database failed"}, "sql-failed-code": {Broken, ended, "its database failed"},
		"refuse-unknown": {Other, notDone, "Cannot change the moon."},
		"login-page":     {Unreachable, maybe, `HTTP 200 from http://zabbix.test/api_jsonrpc.php is not an answer of Zabbix's API (text/html "Sign in Log in"): check that the source's url is the frontend's base URL`},
		"page-502":       {Unreachable, maybe, `HTTP 502`}, "page-500": {Unreachable, maybe, "check the logs of the web server and PHP"},
		"page-504": {Unreachable, maybe, "504"}, "page-503": {Unreachable, maybe, "503"}, "page-429": {Unreachable, notDone, "limits how often"},
		"page-401": {Unreachable, notDone, "requires a login"}, "page-403": {Unreachable, notDone, `(text/html "Access Denied")`}, "page-404": {Unreachable, notDone, "base URL"},
		"page-412": {Unreachable, notDone, "content type"}, "page-413": {Unreachable, notDone, "this size"}, "page-414": {Unreachable, notDone, "this size"},
		"redirect":  {Unreachable, notDone, "elsewhere.example.com"},
		"php-fatal": {Unreachable, maybe, "Allowed memory size"}, "other-json": {Unreachable, maybe, `{\"status\":\"ok\"}`}, "gateway-json": {Unreachable, maybe, "Forbidden"},
		"gateway-text": {Unreachable, maybe, "unavailable"}, "list": {Unreachable, maybe, "[]"}, "empty": {Unreachable, maybe, "200"}, "truncated": {Unreachable, maybe, "200"},
		"wrong-id": {Unreachable, maybe, "200"}, "wrong-type": {Unreachable, maybe, "expected form"}, "null-result": {Unreachable, maybe, "200"},
		"lost-502": {Unreachable, maybe, "502"}, "lost-cut": {Unreachable, maybe, "no answer: EOF"},
		"php-notice": {}, "bom": {}, "php-shutdown": {}, "text-around": {},
	}
	for _, name := range slices.Sorted(maps.Keys(zabbixsim.Breakdowns())) {
		if strings.Contains(name, ":") || name == "strip-header" || name == "show-nothing" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			w, ok := want[name]
			require.True(t, ok, "no expectation for this breakdown")
			z, c, log := simulated(t, "7.0.22")
			_, err := c.Version(t.Context())
			require.NoError(t, err)
			require.NoError(t, z.Break(name))
			err = c.Acknowledge(t.Context(), Acknowledge{EventIDs: []string{"4701"}, Ack: true, Message: "secret words"})
			if w.kind == "" {
				require.NoError(t, err)
				require.NoError(t, c.Call(t.Context(), "user.get", nil, nil))
				require.Equal(t, 1, strings.Count(log.String(), "display_errors=Off"), "logged once: %s", log)
				return
			}
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, w.kind, e.Kind, err.Error())
			require.Equal(t, w.kind == Unreachable || w.kind == Broken, e.Kind.Temporary())
			require.Equal(t, w.act == maybe, e.Unanswered, "unanswered")
			require.Equal(t, w.act == ended, e.Interrupted, "interrupted")
			require.Contains(t, e.Message, w.says)
			for _, no := range []string{"hunter2", "INSERT", "secret words", "zabbix'@", "[event.php", "CApiInput", zabbixsim.RelayToken} {
				require.NotContains(t, e.Message, no)
			}
			require.NotContains(t, err.Error(), "hunter2")

			// A failed call for the version is not a failed acknowledgement.
			z, c, _ = simulated(t, "7.0.22")
			require.NoError(t, z.Break(name))
			err = c.Acknowledge(t.Context(), Acknowledge{EventIDs: []string{"4701"}, Ack: true})
			require.ErrorAs(t, err, &e)
			require.False(t, e.Unanswered || e.Interrupted, "%v", err)
			require.Zero(t, z.Calls()["event.acknowledge"])
		})
	}
}

// Sentences about Zabbix's own database are breakdowns with any code; sentences about the request are refusals.
func TestSentencesAboutTheDatabase(t *testing.T) {
	for said, want := range map[string]ErrorKind{
		"Database is in read-only mode.":                          Broken,
		"Database server is starting up.":                         Broken,
		"Database was upgraded; restart the frontend.":            Broken,
		"DATABASE IS NOT AVAILABLE":                               Broken,
		"Error connecting to database: No route to host":          Broken,
		"Deadlock found when trying to get lock":                  Broken,
		"Database monitor items can't be closed by hand.":         Other,
		"Cannot close problem: the database is in read-only mode": Other,
		"No permissions to referred object or it does not exist!": NoObject,
	} {
		require.Equal(t, want, newError("event.acknowledge", -32500, "Application error.", said).Kind, said)
	}
}

// The text for people contains no SQL, file, stack trace or markup.
func TestSentences(t *testing.T) {
	for said, want := range map[string]string{
		"Cannot close problem: event is not in PROBLEM state.":                                                 "Cannot close problem: event is not in PROBLEM state.",
		"Cannot close problem. [event.php:123]":                                                                "Cannot close problem.",
		"Cannot close problem [zabbix.php:22 → require_once() → CEvent.php:99 in include/classes/api/x.php:1]": "Cannot close problem",
		`SQL statement execution has failed "INSERT INTO acknowledges (a) VALUES ('b')".`:                      "SQL statement execution has failed",
		`Error in query [UPDATE events SET acknowledged=1 WHERE eventid=1] [Incorrect string value]`:           "Error in query",
		"Cannot do it: select e.eventid from events e where 1=1":                                               "Cannot do it",
		"Bad thing\n#0 /usr/share/zabbix/x.php(12): y()\n#1 {main}":                                            "Bad thing",
		"Bad thing #0 x": "Bad thing",
		"Undefined index: a in /usr/share/zabbix/x.php on line 12": "Undefined index: a",
		`File C:\inetpub\zabbix\x.php is missing`:                  "File",
		"It broke: PHP Warning: Undefined variable":                "It broke",
		"<br />\n<b>Notice</b>: x":                                 "",
		`Invalid parameter "/eventids/1": a number is expected.`:   `Invalid parameter "/eventids/1": a number is expected.`,
		"No permissions to referred object or it does not exist!":  "No permissions to referred object or it does not exist!",
		"too\tmany \x00 spaces":                                    "too many spaces",
		"SQLSTATE[HY000]: General error":                           "",
		strings.Repeat("x", 600):                                   strings.Repeat("x", 499) + "…",
	} {
		require.Equal(t, want, sentence(said), said)
	}
}

// If something drops the Authorization header, the token goes into the body on the versions that read it there; on others the log
// says what may be wrong.
func TestTheHeaderIsDropped(t *testing.T) {
	for version, works := range map[string]bool{"6.0.14": true, "6.2.9": true, "6.4.21": true, "7.0.22": true, "7.2.13": false, "7.4.7": false, "8.0.0": false} {
		t.Run(version, func(t *testing.T) {
			z, c, log := simulated(t, version)
			metrics := NewMetrics(prometheus.NewRegistry())
			c.opts.HeaderStripped = metrics.HeaderFor("main")
			gauge := func() float64 { return testutil.ToFloat64(metrics.stripped.WithLabelValues("main")) }
			require.Zero(t, gauge())
			require.NoError(t, z.Break("strip-header"))
			for range 3 {
				err := c.Acknowledge(t.Context(), Acknowledge{EventIDs: []string{"4701"}, Message: "x"})
				if works {
					require.NoError(t, err)
				} else {
					require.Equal(t, NotAuthorised, KindOf(err))
				}
			}
			both := version == "6.4.21" || version == "7.0.22"
			require.Equal(t, both, gauge() == 1)
			switch {
			case both:
				require.Equal(t, 4, z.Calls()["event.acknowledge"], "the header is sent once")
				require.Equal(t, 1, strings.Count(log.String(), "level=WARN"), log)
				require.NotContains(t, log.String(), "level=ERROR")
				require.Contains(t, log.String(), "CGIPassAuth On")
			case works:
				require.NotContains(t, log.String(), "CGIPassAuth", "this version needs no header")
			default:
				require.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), log)
				require.Contains(t, log.String(), "the Authorization header may not reach Zabbix")
				require.Contains(t, log.String(), "proxy_set_header")
			}
			require.NotContains(t, log.String(), zabbixsim.RelayToken)
		})
	}
	t.Run("an upgrade to 7.2 tries the header again", func(t *testing.T) {
		z, c, log := simulated(t, "7.0.22")
		require.NoError(t, z.Break("strip-header"))
		act := func() error { return c.Acknowledge(t.Context(), Acknowledge{EventIDs: []string{"4701"}, Message: "x"}) }
		var reported []bool
		c.opts.HeaderStripped = func(stripped bool) { reported = append(reported, stripped) }
		require.NoError(t, act())
		require.NoError(t, z.SetVersion("7.2.13"))
		require.Equal(t, NotAuthorised, KindOf(act()))
		require.Equal(t, []bool{true, false}, reported)
		require.Contains(t, log.String(), "the Authorization header may not reach Zabbix")
		z.Mend()
		require.NoError(t, act())
	})
	t.Run("a wrong token is wrong in both places", func(t *testing.T) {
		_, c, _ := simulated(t, "7.0.22")
		var log bytes.Buffer
		stripped := func(bool) { t.Error("reported as stripped, although the header arrives") }
		c = New(Options{URL: c.opts.URL, Token: strings.Repeat("f", 64), Transport: c.opts.Transport, Log: slog.New(slog.NewTextHandler(&log, nil)), HeaderStripped: stripped})
		for range 3 {
			require.Equal(t, NotAuthorised, KindOf(c.Acknowledge(t.Context(), Acknowledge{EventIDs: []string{"4701"}, Ack: true})))
		}
		require.Equal(t, 1, strings.Count(log.String(), "level=ERROR"))
		require.NotContains(t, log.String(), "level=WARN")
	})
	t.Run("a token that Zabbix has seen is in the right place", func(t *testing.T) {
		z, c, _ := simulated(t, "7.0.22")
		c = New(Options{URL: c.opts.URL, Token: "garbage", Transport: c.opts.Transport})
		require.Equal(t, NotAuthorised, KindOf(c.Acknowledge(t.Context(), Acknowledge{EventIDs: []string{"4701"}, Ack: true})))
		require.Equal(t, 1, z.Calls()["event.acknowledge"])
	})
	t.Run("a second try that fails proves nothing", func(t *testing.T) {
		z, c, _ := simulated(t, "7.0.22")
		_, err := c.Version(t.Context())
		require.NoError(t, err)
		c = New(Options{URL: c.opts.URL, Token: c.opts.Token, Transport: second{c.opts.Transport, "body"}, Log: c.opts.Log})
		c.opts.HeaderStripped = func(bool) { t.Error("nothing shows that the header is stripped") }
		require.NoError(t, z.Break("strip-header"))
		require.Equal(t, Unreachable, KindOf(c.Acknowledge(t.Context(), Acknowledge{EventIDs: []string{"4701"}, Ack: true})))
	})
}

// second fails requests without an Authorization header, which only the second try lacks.
type second struct {
	next http.RoundTripper
	what string
}

func (s second) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Authorization") == "" {
		return nil, errors.New(s.what)
	}
	return s.next.RoundTrip(r)
}

// If the role forbids a method, only its results are missing, and the log names the method once.
func TestARoleWithoutAMethod(t *testing.T) {
	for _, version := range []string{"6.0.14", "7.0.22", "8.0.0"} {
		t.Run(version, func(t *testing.T) {
			z, c, log := simulated(t, version)
			require.NoError(t, c.Acknowledge(t.Context(), Acknowledge{EventIDs: []string{"4701"}, Ack: true, Message: "on it"}))
			require.NoError(t, z.Break("forbid:trigger.get"))
			for range 3 {
				seen, err := c.Observe(t.Context(), []string{"4701"})
				require.NoError(t, err)
				require.True(t, seen["4701"].Acknowledged)
				require.Equal(t, "on it", seen["4701"].Updates[0].Message)
				require.NotEmpty(t, seen["4701"].Hosts)
				require.False(t, seen["4701"].ManualClose)
			}
			require.Equal(t, 1, strings.Count(log.String(), "method=trigger.get"), log)
			require.Contains(t, log.String(), "method=trigger.get")
			require.Contains(t, log.String(), "close button")
			z.Mend()
			seen, err := c.Observe(t.Context(), []string{"4701"})
			require.NoError(t, err)
			require.True(t, seen["4701"].ManualClose)
			require.Contains(t, log.String(), "allows an API method again")

			// A temporary failure of the second call is an error: a retry may succeed.
			for _, what := range []string{"page-500", "database-away", "lost-cut", "login-page", "system-error"} {
				z.Mend()
				require.NoError(t, z.Break("only:trigger.get"))
				require.NoError(t, z.Break(what))
				_, err = c.Observe(t.Context(), []string{"4701"})
				require.Error(t, err, what)
			}
			z.Mend()
			require.NoError(t, z.Break("only:trigger.get"))
			require.NoError(t, z.Break("refuse-unknown"))
			seen, err = c.Observe(t.Context(), []string{"4701"})
			require.NoError(t, err)
			require.True(t, seen["4701"].Acknowledged)

			z.Mend()
			require.NoError(t, z.Break("forbid:event.get"))
			_, err = c.Observe(t.Context(), []string{"4701"})
			require.Equal(t, RoleForbids, KindOf(err))
			require.Contains(t, log.String(), "method=event.get")
		})
	}
}

// An event that can't be read is missing from the result and never counts as gone.
func TestAnUnreadableEventLosesOnlyItself(t *testing.T) {
	for name, c := range map[string]struct {
		odd  string
		lost []string // ids missing from the result
	}{
		"acknowledges is an object": {`{"eventid":"2","objectid":"9","value":"1","acknowledges":{"1":{}}}`, []string{"2"}},
		"hosts is a string":         {`{"eventid":"2","objectid":"9","value":"1","hosts":"none"}`, []string{"2"}},
		"the id is a number":        {`{"eventid":2,"objectid":9,"value":1,"tags":5}`, []string{"2"}},
		"a severity that is a list": {`{"eventid":"2","value":"1","severity":[]}`, []string{"2"}},
		"no value":                  {`{"eventid":"2"}`, []string{"2"}},
		"null":                      {`null`, []string{"2", "3"}}, // 3 is gone, or it may be the one without a name
		"a string":                  {`"2"`, []string{"2", "3"}},
		"no id":                     {`{"objectid":"9","value":"1"}`, []string{"2", "3"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{version: "7.0.22", answers: map[string]string{"event.get": `[{"eventid":"1","objectid":"9","value":"1","name":"fine"},` + c.odd + `]`}}
			seen, err := serve(t, "", f).Observe(t.Context(), []string{"1", "2", "3"})
			require.NoError(t, err)
			require.Equal(t, "fine", seen["1"].Name)
			for _, id := range []string{"2", "3"} {
				o, known := seen[id]
				require.Equal(t, slices.Contains(c.lost, id), !known, id)
				require.True(t, !known || o.Gone)
			}
		})
	}
}

// Ids that Zabbix's database can't contain are not sent.
func TestIDsThatZabbixCannotHave(t *testing.T) {
	for id, can := range map[string]bool{"1": true, "9223372036854775807": true, "9223372036854775808": false, "18446744073709551615": false, "0": false, "-1": false, "+1": false, "1x": false, "": false} {
		require.Equal(t, can, askableID(id), id)
	}
	z, c, _ := simulated(t, "7.0.22")
	seen, err := c.Observe(t.Context(), []string{"4701", "18446744073709551615"})
	require.NoError(t, err)
	require.False(t, seen["4701"].Gone)
	require.True(t, seen["18446744073709551615"].Gone)
	require.Equal(t, NoObject, KindOf(c.Acknowledge(t.Context(), Acknowledge{EventIDs: []string{"18446744073709551615"}, Close: true})))
	require.Zero(t, z.Calls()["event.acknowledge"])
}

func TestUserAgent(t *testing.T) {
	for version, want := range map[string]string{"": "alert-relay/dev", "1.2.3": "alert-relay/1.2.3"} {
		got := ""
		c := serve(t, "", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = r.Header.Get("User-Agent")
			fmt.Fprint(w, `{"jsonrpc":"2.0","result":"7.0.22","id":1}`)
		}))
		c = New(Options{URL: c.opts.URL, Transport: c.opts.Transport, Version: version})
		_, err := c.Version(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// The methods in the code, in the table of needs and in the documentation are the same.
func TestNeededMethodsAreDocumented(t *testing.T) {
	root := filepath.Join("..", "..")
	called := map[string]bool{}
	calls := regexp.MustCompile(`(?:[cC]all\(ctx|[cC]all\(t\.Context\(\)|permitted\(), "([a-z]+\.[a-z]+)"|const method = "([a-z]+\.[a-z]+)"`)
	for _, dir := range []string{"internal", "cmd"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, dir), func(name string, d os.DirEntry, err error) error {
			// provision calls with a Super admin's token, person.go with people's own, and doctor does without what it may not call.
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "simulator") || strings.Contains(name, "provision") || strings.Contains(name, "doctor") || strings.HasSuffix(name, "person.go") {
				return err
			}
			src, err := os.ReadFile(name)
			for _, m := range calls.FindAllStringSubmatch(string(src), -1) {
				called[m[1]+m[2]] = true
			}
			return err
		}))
	}
	needs := slices.Collect(maps.Keys(Needs))
	for _, methods := range Features {
		needs = append(needs, methods...)
	}
	slices.Sort(needs)
	needs = slices.Compact(needs)
	require.ElementsMatch(t, slices.Collect(maps.Keys(called)), needs)
	text, err := os.ReadFile(filepath.Join(root, "docs", "zabbix.md"))
	require.NoError(t, err)
	var rows []string
	for _, m := range regexp.MustCompile("(?m)^\\s*\\| `([a-z]+\\.[a-z]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		rows = append(rows, m[1])
	}
	require.ElementsMatch(t, needs, rows)
}
