package webex

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// foreignAnswers are answers from something between the relay and Webex.
var foreignAnswers = []struct {
	name   string
	status int
	header map[string]string
	body   string
}{
	{"a block page, 403", 403, htmlPage, "<html><h1>Access Denied</h1><p>by policy</p></html>"},
	{"a default backend, 404", 404, textPage, "default backend - 404"},
	{"a default backend, 410", 410, htmlPage, "<h1>Gone</h1>"},
	{"a filter, 400", 400, htmlPage, "<center>400 Bad Request</center><hr>nginx"},
	{"an allow-list of methods, 405", 405, htmlPage, "<h1>Method Not Allowed</h1>"},
	{"a legal block, 451", 451, htmlPage, "<h1>Unavailable For Legal Reasons</h1>"},
	{"a conflict page, 409", 409, htmlPage, "<h1>Conflict</h1>"},
	{"a size limit, 413", 413, htmlPage, "<h1>Request Entity Too Large</h1>"},
	{"a filter of content types, 415", 415, textPage, "no"},
	{"a teapot", 418, nil, ""},
	{"a proxy's login, 401 Basic", 401, map[string]string{"Content-Type": "text/html", "WWW-Authenticate": `Basic realm="proxy"`}, "<h1>Log in</h1>"},
	{"a proxy's login, 401 Bearer without a body", 401, map[string]string{"WWW-Authenticate": "Bearer"}, ""},
	{"a proxy's login, 407", 407, map[string]string{"Proxy-Authenticate": "Basic"}, ""},
	{"a page that kept Webex's header", 403, map[string]string{"Content-Type": "text/html", "Trackingid": "T"}, "<h1>Access Denied</h1>"},
	{"a text that kept Webex's header", 404, map[string]string{"Content-Type": "text/plain", "Trackingid": "T"}, "blocked"},
	{"an API gateway", 403, jsonBody, `{"message":"Forbidden"}`},
	{"an API gateway, 401", 401, jsonBody, `{"message":"Unauthorized"}`},
	{"an API gateway, 404", 404, jsonBody, `{"message":"no Route matched with those values","request_id":"7"}`},
	{"a program that isn't Webex", 403, jsonBody, `{"error":"denied"}`},
	{"a program that isn't Webex, 401", 401, jsonBody, `{"error":{"code":401,"message":"invalid_token"}}`},
	{"another form of errors", 400, jsonBody, `{"message":"invalid","errors":{"roomId":["is invalid"]}}`},
	{"errors without descriptions", 404, jsonBody, `{"message":"no","errors":["no"]}`},
	{"fields of another type", 403, jsonBody, `{"message":7,"errors":[],"trackingId":8}`},
	{"an empty object", 404, jsonBody, `{}`},
	{"a list", 404, jsonBody, `[]`},
	{"null", 403, jsonBody, `null`},
	{"half of Webex's JSON", 404, jsonBody, `{"message":"not found","errors":[{"descr`},
	{"nothing, 400", 400, nil, ""},
	{"nothing, 401", 401, nil, ""},
	{"nothing, 403", 403, nil, ""},
	{"nothing, 404", 404, nil, ""},
	{"binary", 403, map[string]string{"Content-Type": "application/octet-stream"}, "\x00\x1f\x8b\xff"},
	{"a redirect to a login", 302, map[string]string{"Location": "http://portal.example.com/login?token=1"}, ""},
	{"a permanent redirect", 301, map[string]string{"Location": "/"}, "<a href=/>moved</a>"},
	{"a redirect that keeps the method", 307, map[string]string{"Location": "http://portal.example.com/"}, ""},
	{"not modified", 304, nil, ""},
	{"500 as a page", 500, htmlPage, "<h1>Internal Server Error</h1>"},
	{"502 as a page", 502, htmlPage, "<h1>Bad Gateway</h1>"},
	{"503 as a page", 503, htmlPage, "<h1>Service Unavailable</h1>"},
	{"511 of a portal", 511, htmlPage, "<h1>Log in to this network</h1>"},
	{"200 with a login page", 200, htmlPage, "<html><title>Log in</title></html>"},
	{"200 with a page that keeps Webex's header", 200, map[string]string{"Content-Type": "text/html", "Trackingid": "T"}, "<html>Log in</html>"},
	{"200 with text", 200, textPage, "OK"},
	{"200 with the JSON of another program", 200, jsonBody, `{"status":"ok"}`},
	{"200 with an error", 200, jsonBody, `{"error":"denied"}`},
	{"200 with an empty id", 200, jsonBody, `{"id":""}`},
	{"200 with null for an id", 200, jsonBody, `{"id":null,"roomId":"R"}`},
	{"200 with a number for an id", 200, jsonBody, `{"id":7,"roomId":"R"}`},
	{"200 with the id of another program", 200, jsonBody, `{"id":"req-1","status":"blocked"}`},
	{"200 with an empty object", 200, jsonBody, `{}`},
	{"200 with a list", 200, jsonBody, `[]`},
	{"200 with null", 200, jsonBody, `null`},
	{"200 with a number for items", 200, jsonBody, `{"items":7}`},
	{"200 without a body", 200, nil, ""},
	{"201 with a page", 201, htmlPage, "<h1>Created</h1>"},
	{"202 without a body", 202, nil, ""},
	{"206 with a page", 206, htmlPage, "<h1>Part</h1>"},
}

var (
	htmlPage = map[string]string{"Content-Type": "text/html; charset=utf-8"}
	textPage = map[string]string{"Content-Type": "text/plain"}
	jsonBody = map[string]string{"Content-Type": "application/json"}
)

// Only an answer of Webex itself is final. Any other answer, with any status and to any call, is temporary, and Webex may have
// done what was asked.
func TestForeignAnswersAreNeverFinal(t *testing.T) {
	for _, tc := range foreignAnswers {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := serve(t, status(tc.status, tc.header, tc.body))
			for _, k := range everyCall {
				var foreign []string
				c.opts.Observe = func(call Call) {
					if call.Foreign {
						foreign = append(foreign, call.Op)
					}
				}
				err := k.call(t.Context(), c)
				require.Error(t, err, k.op)
				e := asError(t, err)
				require.True(t, e.Foreign, "%s: %v", k.op, err)
				require.True(t, e.Unanswered, "%s: %v", k.op, err)
				require.Equal(t, Temporary, ClassOf(err), "%s: %v", k.op, err)
				require.Equal(t, tc.status, e.Status)
				require.ErrorContains(t, err, "a proxy, gateway or login page answered instead of Webex")
				require.ErrorContains(t, err, "webex.api_url")
				require.Equal(t, []string{k.op}, foreign, "the foreign answer is counted")
			}
		})
	}
}

// An empty 204 is the answer to a deletion only.
func TestOnlyDeletionsHaveNoContent(t *testing.T) {
	c, _ := serve(t, status(204, nil, ""))
	for _, k := range everyCall {
		err := k.call(t.Context(), c)
		if strings.HasPrefix(k.op, http.MethodDelete) {
			require.NoError(t, err, k.op)
			continue
		}
		require.True(t, asError(t, err).Foreign, k.op)
		require.Equal(t, Temporary, ClassOf(err), k.op)
	}
}

// Refusals of Webex itself are final, recognised by any of their signs.
func TestWebexsOwnRefusalsAreFinal(t *testing.T) {
	const both = `{"message":"no","errors":[{"description":"no"}],"trackingId":"T"}`
	for name, tc := range map[string]struct{ header, body string }{
		"all signs":                       {"Trackingid", both},
		"a header in lower case":          {"trackingid", "{}"},
		"a header in capitals":            {"TRACKINGID", ""},
		"its JSON alone":                  {"X-Other", both},
		"its JSON without a tracking id":  {"X-Other", `{"message":"no","errors":[{"description":"no"}]}`},
		"its JSON without descriptions":   {"X-Other", `{"message":"no","trackingId":"T"}`},
		"its JSON without a message":      {"X-Other", `{"errors":[{"description":"no"}],"trackingId":"T"}`},
		"its header and JSON of any form": {"Trackingid", `{"message":"Failed to get activity."}`},
	} {
		for code, class := range map[int]Class{400: Refused, 401: Unauthorized, 403: Forbidden, 404: NotFound, 405: Refused, 409: Conflict, 410: NotFound, 413: Refused, 451: Refused} {
			t.Run(fmt.Sprint(name, " ", code), func(t *testing.T) {
				c, _ := serve(t, status(code, map[string]string{tc.header: "T"}, tc.body))
				c.opts.Observe = func(call Call) { require.False(t, call.Foreign, call.Op) }
				for _, k := range everyCall {
					err := k.call(t.Context(), c)
					if k.op == "DELETE /messages/{id}" && class == NotFound {
						require.NoError(t, err)
						continue
					}
					require.Equal(t, class, ClassOf(err), "%s: %v", k.op, err)
					require.False(t, asError(t, err).Foreign)
				}
			})
		}
	}
}

// Every 429 is obeyed, whoever sent it and in whatever form.
func TestEvery429IsObeyed(t *testing.T) {
	for _, body := range []string{"", "<h1>Slow down</h1>", `{"message":"slow"}`, `{"error":"rate"}`} {
		c, _ := serve(t, status(429, map[string]string{"Retry-After": "7"}, body))
		for _, k := range everyCall {
			e := asError(t, k.call(t.Context(), c))
			require.Equal(t, RateLimited, e.Class())
			require.Equal(t, 7*time.Second, e.RetryAfter)
			require.False(t, e.Foreign)
		}
	}
}

// A 401 from a proxy changes nothing about the token, whether Webex accepted or refused it.
func TestForeignAnswerLeavesTheTokenValid(t *testing.T) {
	next := status(401, htmlPage, "<h1>Log in</h1>")
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { next(w, r) })
	reads := 0
	renew := func() (string, error) { reads++; return token, nil }
	c = New(Options{BaseURL: c.opts.BaseURL, Token: token, Transport: c.opts.Transport, Renew: renew})
	for range 3 {
		_, err := c.Me(t.Context())
		require.NotContains(t, err.Error(), "the token isn't valid")
	}
	require.Zero(t, reads, "a proxy can't refuse it")
	next = status(401, map[string]string{"Trackingid": "T"}, "")
	_, err := c.Me(t.Context())
	require.ErrorContains(t, err, "the token isn't valid")
	next = status(200, htmlPage, "<h1>Log in</h1>")
	_, _ = c.Me(t.Context())
	_, _ = c.Me(t.Context())
	require.Equal(t, 2, reads, "a proxy can't accept it either")
}

// The error shows the beginning of a foreign answer in one printable line, without the token.
func TestForeignAnswersAreDescribed(t *testing.T) {
	long := strings.Repeat("x", 120-5)
	for _, tc := range []struct {
		name   string
		status int
		header map[string]string
		body   string
		want   string
	}{
		{"a page", 403, htmlPage, "<html><head><style>b{}</style><script>alert(1)</script></head><h1>Access\r\n Denied</h1>", `403 a proxy, gateway or login page answered instead of Webex: text/html "Access Denied" (`},
		{"nothing", 404, nil, "", `404 a proxy, gateway or login page answered instead of Webex: without text (`},
		{"JSON", 403, jsonBody, `{"error":"denied"}`, `application/json "{\"error\":\"denied\"}" (`},
		{"control and bidi characters", 400, textPage, "a\x1b[31mb\u202ec\x00", `text/plain "a[31mbc" (`},
		{"a redirect", 302, map[string]string{"Location": "http://portal/?" + token}, "", "302 redirects are not followed: "},
		{"the token", 200, textPage, "you sent Bearer " + token, `"you sent Bearer [token]"`},
		{"the token at the cut", 200, textPage, long + token, `x[t…"`},
		{"a content type that isn't one", 200, map[string]string{"Content-Type": "text/<b>"}, "a", `Webex: "a"`},
		{"a very long page", 200, textPage, strings.Repeat("ä", 1<<16), strings.Repeat("ä", 120/2-2) + `…"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := serve(t, status(tc.status, tc.header, tc.body))
			_, err := c.Me(t.Context())
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), token[:12])
			require.Less(t, len(err.Error()), 500)
		})
	}
}

// An outage with foreign answers is one line in the log, and its end another.
func TestOutageIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		foreign := true
		c := New(Options{BaseURL: "http://webex.test", Token: token, Log: slog.New(slog.NewTextHandler(&log, nil)),
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if foreign {
					return answer(r, 403, "text/html", "<h1>Access Denied "+token+"</h1>"), nil
				}
				return answer(r, 200, "application/json", `{"id":"M","roomId":"R"}`), nil
			})})
		call := func(f bool) { foreign = f; _, _ = c.GetMessage(t.Context(), "M"); time.Sleep(time.Second) }
		lines := func(text string) int { return strings.Count(log.String(), text) }
		for range 20 {
			call(true)
		}
		require.Equal(t, 1, lines("something else answers instead of Webex"))
		require.Contains(t, log.String(), `status=403`)
		require.Contains(t, log.String(), `Access Denied [token]`)
		require.NotContains(t, log.String(), token)
		for range 3 {
			call(false)
		}
		require.Equal(t, 1, lines("Webex itself answers again"))
		require.Contains(t, log.String(), "foreign_answers=20")
		for range 20 { // a filter that blocks every other call
			call(true)
			call(false)
		}
		require.Equal(t, 1, lines("something else answers instead of Webex"), "it is one outage")
		time.Sleep(2 * sameOutage)
		call(true)
		require.Equal(t, 2, lines("something else answers instead of Webex"), "it is another outage")
		time.Sleep(2 * sameOutage)
		call(true)
		require.Equal(t, 2, lines("something else answers instead of Webex"), "Webex hasn't answered in between")
	})
}

// For any answer, the client doesn't panic, doesn't mistake an error for success, and keeps its error short.
func FuzzAnswers(f *testing.F) {
	for _, a := range foreignAnswers {
		f.Add(a.status, a.header["Trackingid"], a.header["Content-Type"], a.body)
	}
	f.Add(404, "T", "application/json", `{"message":"no","errors":[{"description":"no"}],"trackingId":"T"}`)
	f.Fuzz(func(t *testing.T, code int, tracking, kind, body string) {
		code = 200 + abs(code)%400
		c := New(Options{BaseURL: "http://webex.test", Token: token, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			resp := answer(r, code, kind, body)
			if tracking != "" {
				resp.Header.Set("Trackingid", tracking)
			}
			return resp, nil
		})})
		m, err := c.CreateMessage(t.Context(), NewMessage{RoomID: "R", Markdown: "x"})
		if err == nil {
			require.True(t, code < 300 && m.ID != "")
			return
		}
		require.Less(t, len(err.Error()), 4000)
		if class := ClassOf(err); class != Temporary && class != RateLimited {
			require.True(t, tracking != "" || strings.Contains(strings.ToLower(body), "trackingid") || strings.Contains(strings.ToLower(body), "errors"))
		}
	})
}

func abs(n int) int { return max(n, -(n + 1)) }
