package webex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const token = "a-token-that-nobody-may-see"

// seen is a received request.
type seen struct {
	method, uri, body string
	header            http.Header
}

// serve answers every request with h and records it.
func serve(t *testing.T, h http.HandlerFunc) (*Client, func() []seen) {
	t.Helper()
	var mu sync.Mutex
	var all []seen
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		all = append(all, seen{r.Method, r.URL.RequestURI(), string(body), r.Header.Clone()})
		mu.Unlock()
		h(w, r)
	}))
	t.Cleanup(server.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c := New(Options{BaseURL: server.URL + "/v1/", Token: token, Version: "1.2.3", Transport: transport})
	return c, func() []seen {
		mu.Lock()
		defer mu.Unlock()
		return append([]seen(nil), all...)
	}
}

func status(code int, header map[string]string, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

func asError(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	require.NotContains(t, err.Error(), token)
	return e
}

// aCall is one method of the client with the request that it makes.
type aCall struct {
	op, uri, body string
	call          func(ctx context.Context, c *Client) error
}

// answer returns a short answer of Webex.
func (a aCall) answer() (code int, body string) {
	method, path, _ := strings.Cut(a.op, " ")
	if name, ok := ownField[serviceShapes[a.op]]; ok {
		return http.StatusOK, `{"` + name + `":[]}`
	}
	switch {
	case method == http.MethodDelete:
		return http.StatusNoContent, ""
	case method == http.MethodGet && a.op != OpActivity && !strings.Contains(path, "{") && path != "/people/me":
		return http.StatusOK, `{"items":[]}`
	}
	return http.StatusOK, `{"id":"I","created":"2026-01-02T03:04:05.000Z"}`
}

var everyCall = []aCall{
	{"POST /messages", "/v1/messages", `{"roomId":"R","markdown":"**x**"}`, func(ctx context.Context, c *Client) error {
		_, err := c.CreateMessage(ctx, NewMessage{RoomID: "R", Markdown: "**x**"})
		return err
	}},
	{"PUT /messages/{id}", "/v1/messages/M%2F1", `{"markdown":"m","roomId":"R"}`, func(ctx context.Context, c *Client) error {
		_, err := c.EditMessage(ctx, "M/1", "R", "m")
		return err
	}},
	{"DELETE /messages/{id}", "/v1/messages/M", "", func(ctx context.Context, c *Client) error { return c.DeleteMessage(ctx, "M") }},
	{"GET /messages/{id}", "/v1/messages/M", "", func(ctx context.Context, c *Client) error { _, err := c.GetMessage(ctx, "M"); return err }},
	{"GET /messages", "/v1/messages?max=100&mentionedPeople=me&roomId=R", "", func(ctx context.Context, c *Client) error {
		return c.Messages(ctx, "R", false, func([]Message) bool { return true })
	}},
	{"GET /people/me", "/v1/people/me", "", func(ctx context.Context, c *Client) error { _, err := c.Me(ctx); return err }},
	{"GET /people/{id}", "/v1/people/P", "", func(ctx context.Context, c *Client) error { _, err := c.GetPerson(ctx, "P"); return err }},
	{"GET /people", "/v1/people?email=a%40example.com&max=100", "", func(ctx context.Context, c *Client) error { _, err := c.Knows(ctx, "a@example.com"); return err }},
	{"GET /rooms/{id}", "/v1/rooms/R", "", func(ctx context.Context, c *Client) error { _, err := c.Room(ctx, "R"); return err }},
	{"GET /rooms", "/v1/rooms?max=100", "", func(ctx context.Context, c *Client) error { _, err := c.Rooms(ctx); return err }},
	{"POST /rooms", "/v1/rooms", `{"title":"INC-7 db"}`, func(ctx context.Context, c *Client) error { _, err := c.CreateRoom(ctx, "INC-7 db"); return err }},
	{"POST /memberships", "/v1/memberships", `{"personEmail":"a@example.com","roomId":"R"}`, func(ctx context.Context, c *Client) error { return c.AddMember(ctx, "R", "a@example.com") }},
	{"DELETE /memberships/{id}", "/v1/memberships/M", "", func(ctx context.Context, c *Client) error { return c.deleteMembership(ctx, "M") }},
	{"GET /memberships", "/v1/memberships?max=100&personId=P&roomId=R", "", func(ctx context.Context, c *Client) error {
		_, _, err := c.Membership(ctx, "R", "P")
		return err
	}},
	{"GET /webhooks", "/v1/webhooks?max=100", "", func(ctx context.Context, c *Client) error { _, err := c.Webhooks(ctx); return err }},
	{"POST /webhooks", "/v1/webhooks", `{"name":"N","targetUrl":"http://t","resource":"messages","event":"created","filter":"roomType=direct","secret":"s"}`, func(ctx context.Context, c *Client) error {
		_, err := c.CreateWebhook(ctx, Webhook{ID: "x", Status: "active", Name: "N", TargetURL: "http://t", Resource: "messages", Event: "created", Filter: "roomType=direct", Secret: "s"})
		return err
	}},
	{"PUT /webhooks/{id}", "/v1/webhooks/W", `{"name":"N","targetUrl":"http://t","status":"active"}`, func(ctx context.Context, c *Client) error {
		_, err := c.UpdateWebhook(ctx, Webhook{ID: "W", Name: "N", TargetURL: "http://t", Resource: "messages", Status: "active"})
		return err
	}},
	{"DELETE /webhooks/{id}", "/v1/webhooks/W", "", func(ctx context.Context, c *Client) error { return c.DeleteWebhook(ctx, "W") }},
	{"GET /attachment/actions/{id}", "/v1/attachment/actions/A", "", func(ctx context.Context, c *Client) error { _, err := c.GetAttachmentAction(ctx, "A"); return err }},
	service(OpCatalog, nil),
	service(OpDevices, nil),
	service(OpCreateDevice, map[string]string{"name": "N"}),
	service(OpRefreshDevice, map[string]string{"name": "N"}),
	service(OpDeleteDevice, nil),
	service(OpActivity, nil),
}

// service is a call of a service outside the REST API, by its whole URL.
func service(op string, in any) aCall {
	a := aCall{op: op, uri: "/service/api/v1/x?y=z"}
	if in != nil {
		body, _ := json.Marshal(in)
		a.body = string(body)
	}
	a.call = func(ctx context.Context, c *Client) error {
		var into any
		if serviceShapes[op] != shapeNothing {
			into = &map[string]any{}
		}
		base := *c.to.Load().base
		base.Path = "/service/api/v1/x"
		return c.Service(ctx, op, base.String()+"?y=z", in, into)
	}
	return a
}

// Every method makes the right request, and its operation is in Ops.
func TestEveryCall(t *testing.T) {
	require.Len(t, everyCall, len(Ops))
	for _, tc := range everyCall {
		t.Run(tc.op, func(t *testing.T) {
			want, body := tc.answer()
			c, all := serve(t, status(want, nil, body))
			var op string
			var code int
			c.opts.Observe = func(call Call) { op, code = call.Op, call.Status }
			require.NoError(t, tc.call(t.Context(), c))
			require.Len(t, all(), 1)
			got := all()[0]
			require.Equal(t, tc.uri, got.uri)
			require.Equal(t, tc.body, got.body)
			require.Equal(t, strings.Fields(tc.op)[0], got.method)
			require.Equal(t, "Bearer "+token, got.header.Get("Authorization"))
			require.Equal(t, "alert-relay/1.2.3", got.header.Get("User-Agent"))
			require.Equal(t, tc.op, op)
			require.Equal(t, want, code)
			require.Contains(t, Ops, tc.op)
		})
	}
}

// An empty id would be another resource: no request is sent.
func TestEmptyIDIsNotSent(t *testing.T) {
	c, all := serve(t, status(200, nil, "{}"))
	for _, id := range []string{"", ".", ".."} {
		_, err := c.GetMessage(t.Context(), id)
		require.Equal(t, NotFound, asError(t, err).Class())
		require.NoError(t, c.DeleteMessage(t.Context(), id))
	}
	require.Empty(t, all())
}

func TestFileIsSentAsAForm(t *testing.T) {
	var name, ctype, content, room string
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		room = r.FormValue("roomId")
		f, h, err := r.FormFile("files")
		if err == nil {
			b, _ := io.ReadAll(f)
			name, ctype, content = h.Filename, h.Header.Get("Content-Type"), string(b)
		}
		_, _ = io.WriteString(w, `{"id":"M"}`)
	}))
	defer server.Close()
	c = New(Options{BaseURL: server.URL, Token: token, Transport: c.opts.Transport})
	m, err := c.CreateMessage(t.Context(), NewMessage{RoomID: "R", Markdown: "list", File: &File{Name: "a \"b\"\r\n.txt", ContentType: "text/plain", Content: []byte("hosts")}})
	require.NoError(t, err)
	require.Equal(t, "M", m.ID)
	require.Equal(t, "R", room)
	require.Equal(t, "hosts", content)
	require.Equal(t, "text/plain", ctype)
	require.NotContains(t, name, "\n")

	_, err = c.CreateMessage(t.Context(), NewMessage{RoomID: "R", File: &File{Name: "x"}, Attachments: []Attachment{{}}})
	require.Equal(t, Refused, asError(t, err).Class())
	_, err = c.CreateMessage(t.Context(), NewMessage{RoomID: "R", Attachments: []Attachment{{Content: make(chan int)}}})
	require.Equal(t, Refused, asError(t, err).Class(), "a body that can't be encoded is final")
}

func TestRefusals(t *testing.T) {
	html := `<html><head><title>429 Too Many Requests</title><style>p{}</style></head><body><p>Slow <b>down</b>&#33;</p></body></html>`
	for _, tc := range []struct {
		name    string
		handler http.HandlerFunc
		want    Error
		class   Class
	}{
		{"JSON, with the tracking id of the header", status(400, map[string]string{"TrackingID": "T1"}, `{"message":"no","errors":[{"description":"no"},{"description":"too\u202e long\n"}],"trackingId":"T0"}`),
			Error{Status: 400, Message: "no; too long", TrackingID: "T1"}, Refused},
		{"tracking id of the body", status(403, nil, `{"message":"no","trackingId":"T0"}`), Error{Status: 403, Message: "no", TrackingID: "T0"}, Forbidden},
		{"HTML", status(429, map[string]string{"Retry-After": "7"}, html), Error{Status: 429, Message: "429 Too Many Requests Slow down !", RetryAfter: 7 * time.Second}, RateLimited},
		{"no Retry-After", status(429, nil, ""), Error{Status: 429, Message: "Too Many Requests", RetryAfter: 10 * time.Second}, RateLimited},
		{"garbled Retry-After", status(429, map[string]string{"Retry-After": "soon"}, ""), Error{Status: 429, Message: "Too Many Requests", RetryAfter: 10 * time.Second}, RateLimited},
		{"an hour", status(429, map[string]string{"Retry-After": "3600"}, ""), Error{Status: 429, Message: "Too Many Requests", RetryAfter: time.Hour}, RateLimited},
		{"centuries", status(429, map[string]string{"Retry-After": "99999999999999999999"}, ""), Error{Status: 429, Message: "Too Many Requests", RetryAfter: 24 * time.Hour}, RateLimited},
		{"zero", status(429, map[string]string{"Retry-After": "0"}, ""), Error{Status: 429, Message: "Too Many Requests", RetryAfter: time.Second}, RateLimited},
		{"negative", status(429, map[string]string{"Retry-After": "-5"}, ""), Error{Status: 429, Message: "Too Many Requests", RetryAfter: 10 * time.Second}, RateLimited},
		{"a date, by the server's clock", status(429, map[string]string{"Date": "Mon, 02 Jan 2006 15:04:05 GMT", "Retry-After": "Mon, 02 Jan 2006 15:04:35 GMT"}, ""),
			Error{Status: 429, Message: "Too Many Requests", RetryAfter: 30 * time.Second}, RateLimited},
		{"scanning", status(423, map[string]string{"Retry-After": "3", "Trackingid": "T"}, "{}"), Error{Status: 423, Message: "Locked", TrackingID: "T", RetryAfter: 3 * time.Second}, Temporary},
		{"bad token", status(401, map[string]string{"Trackingid": "T"}, "{}"),
			Error{Status: 401, Message: "Unauthorized", TrackingID: "T", Hint: "the token isn't valid: make a new one for the same bot on Webex's developer site"}, Unauthorized},
		{"gone", status(410, map[string]string{"Trackingid": "T"}, "{}"), Error{Status: 410, Message: "Gone", TrackingID: "T"}, NotFound},
		{"conflict", status(409, map[string]string{"Trackingid": "T"}, ""), Error{Status: 409, Message: "Conflict", TrackingID: "T"}, Conflict},
		{"down", status(503, map[string]string{"Trackingid": "T"}, "not JSON"), Error{Status: 503, Message: "not JSON", TrackingID: "T"}, Temporary},
		{"a gateway that lost the answer", status(502, map[string]string{"Trackingid": "T"}, ""), Error{Status: 502, Message: "Bad Gateway", TrackingID: "T", Unanswered: true}, Temporary},
		{"a gateway that timed out", status(504, map[string]string{"Trackingid": "T"}, ""), Error{Status: 504, Message: "Gateway Timeout", TrackingID: "T", Unanswered: true}, Temporary},
		{"a server that echoes the token", status(400, map[string]string{"Trackingid": "T"}, `{"message":"bad token `+token+`"}`), Error{Status: 400, Message: "bad token [token]", TrackingID: "T"}, Refused},
		{"a long reason", status(400, map[string]string{"Trackingid": "T"}, `{"message":"`+strings.Repeat("ä", 400)+`"}`), Error{Status: 400, Message: strings.Repeat("ä", 198) + "…", TrackingID: "T"}, Refused},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := serve(t, tc.handler)
			_, err := c.CreateMessage(t.Context(), NewMessage{RoomID: "R", Text: "x"})
			e := asError(t, err)
			tc.want.Op = "POST /messages"
			require.Equal(t, tc.want, *e)
			require.Equal(t, tc.class, e.Class())
			require.Equal(t, tc.class, ClassOf(fmt.Errorf("wrapped: %w", err)))
		})
	}
}

func TestDeletingAMissingMessageSucceeds(t *testing.T) {
	c, _ := serve(t, status(404, map[string]string{"Trackingid": "T"}, ""))
	require.NoError(t, c.DeleteMessage(t.Context(), "M"))
	require.Equal(t, NotFound, ClassOf(c.DeleteWebhook(t.Context(), "W")))
}

// The token goes to the configured host only: redirects are not followed.
func TestRedirectIsNotFollowed(t *testing.T) {
	other, others := serve(t, status(200, nil, "{}"))
	c, all := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.opts.BaseURL, http.StatusFound)
	})
	_, err := c.Me(t.Context())
	e := asError(t, err)
	require.Equal(t, Temporary, e.Class())
	require.ErrorContains(t, err, "webex.api_url")
	require.Len(t, all(), 1)
	require.Empty(t, others())
}

// Unanswered is true only if Webex may have received the request.
func TestUnanswered(t *testing.T) {
	post := func(c *Client) *Error {
		_, err := c.CreateMessage(t.Context(), NewMessage{RoomID: "R", Text: "x"})
		return asError(t, err)
	}
	t.Run("nobody listens", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		address := l.Addr().String()
		require.NoError(t, l.Close())
		e := post(New(Options{BaseURL: "http://" + address, Token: token}))
		require.False(t, e.Unanswered)
		require.Equal(t, Temporary, e.Class())
	})
	t.Run("TLS fails", func(t *testing.T) {
		server := httptest.NewUnstartedServer(status(200, nil, "{}"))
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		defer server.Close()
		require.False(t, post(New(Options{BaseURL: server.URL, Token: token, Transport: &http.Transport{}})).Unanswered)
	})
	t.Run("closed with no answer", func(t *testing.T) {
		c, _ := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		e := post(c)
		require.True(t, e.Unanswered)
		require.Zero(t, e.Status)
	})
	t.Run("the answer breaks off", func(t *testing.T) {
		c, _ := serve(t, status(200, map[string]string{"Content-Length": "100"}, `{"id":`))
		e := post(c)
		require.True(t, e.Unanswered)
		require.Equal(t, Temporary, e.Class())
	})
	t.Run("the answer isn't JSON", func(t *testing.T) {
		c, _ := serve(t, status(200, map[string]string{"Trackingid": "T"}, "<html>log in</html>"))
		e := post(c)
		require.True(t, e.Unanswered)
		require.Equal(t, "T", e.TrackingID)
		require.Equal(t, Temporary, e.Class())
	})
	t.Run("time runs out", func(t *testing.T) {
		release := make(chan struct{})
		c, _ := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
		defer close(release)
		e := post(New(Options{BaseURL: c.opts.BaseURL, Token: token, Transport: c.opts.Transport, Timeout: time.Millisecond}))
		require.ErrorIs(t, e, context.DeadlineExceeded)
		require.Equal(t, Temporary, e.Class())
	})
	t.Run("a transport that reports nothing", func(t *testing.T) {
		fail := func(err error) http.RoundTripper {
			return roundTripper(func(*http.Request) (*http.Response, error) { return nil, err })
		}
		require.True(t, post(New(Options{BaseURL: "http://x", Transport: fail(io.ErrUnexpectedEOF)})).Unanswered)
		require.False(t, post(New(Options{BaseURL: "http://x", Transport: fail(&net.OpError{Op: "dial", Err: errors.New("refused")})})).Unanswered)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestInvalidBaseURLFailsEveryCall(t *testing.T) {
	for _, base := range []string{"", "webexapis.com/v1", "ftp://x", "http://"} {
		_, err := New(Options{BaseURL: base, Token: token}).Me(t.Context())
		require.ErrorContains(t, err, "webex.api_url")
	}
}

func TestAnswerHasALimit(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := []byte(strings.Repeat("x", 1<<20))
		_, _ = io.WriteString(w, `{"id":"`)
		for range 17 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	_, err := c.Me(t.Context())
	require.ErrorContains(t, err, "longer than")
}

// pages serves n pages of two rooms each; the second page is empty.
func pages(n int, link func(r *http.Request, page int) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		items := []map[string]string{{"id": fmt.Sprint(page, "a")}, {"id": fmt.Sprint(page, "b")}}
		if page == 1 {
			items = nil
		}
		if page < n-1 {
			w.Header().Set("Link", link(r, page+1))
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"items": items})
	}
}

func TestPagesAreFollowedThroughAnEmptyOne(t *testing.T) {
	c, all := serve(t, pages(4, func(r *http.Request, page int) string {
		return fmt.Sprintf(`<http://%s/v1/rooms?page=0>; rel="first", <http://%s/v1/rooms?page=%d>; foo=bar; REL=next`, r.Host, r.Host, page)
	}))
	rooms, err := c.Rooms(t.Context())
	require.NoError(t, err)
	require.Len(t, rooms, 6)
	require.Len(t, all(), 4)
}

// Messages of a room are read page by page, for as long as the caller wants more; of the direct chats only the first page is.
func TestPagesEndWhenNoMoreAreWanted(t *testing.T) {
	c, all := serve(t, pages(4, func(_ *http.Request, page int) string {
		return fmt.Sprintf(`</v1/messages?page=%d>; rel="next"`, page)
	}))
	read := 0
	require.NoError(t, c.Messages(t.Context(), "R", true, func(page []Message) bool {
		read++
		return read < 2
	}))
	require.Len(t, all(), 2)
	require.Equal(t, "/v1/messages?max=100&roomId=R", all()[0].uri)
	_, err := c.DirectRooms(t.Context())
	require.NoError(t, err)
	require.Len(t, all(), 3)
	require.Equal(t, "/v1/rooms?max=100&sortBy=lastactivity&type=direct", all()[2].uri)
}

func TestOnlyALinkToTheNextPageIsFollowed(t *testing.T) {
	for header, want := range map[string]string{
		`<a>; rel="next"`:                   "a",
		`<a>;title="x" ; Rel = next`:        "a",
		`<a>; rel="last next"`:              "a",
		`<a>; rel="next last", <b>`:         "a",
		`<a>; rel=first, < b >; rel="next"`: "b",
		`<a>; rel="nextish"`:                "",
		`<a>; rel="not-next"`:               "",
		`<a>; norel="next"`:                 "",
		`<a>; rel="prev", <b>; title=next`:  "",
		`next`:                              "",
	} {
		require.Equal(t, want, nextLink([]string{"", header}), header)
	}
}

func TestPagesOfAnotherHostAreRefused(t *testing.T) {
	other, others := serve(t, status(200, nil, `{"items":[]}`))
	for _, link := range []string{other.opts.BaseURL + "rooms", "https://user@{host}/v1/rooms", "//evil.example/rooms", "https://{host}/v1/rooms"} {
		c, all := serve(t, pages(3, func(r *http.Request, _ int) string {
			return "<" + strings.ReplaceAll(link, "{host}", r.Host) + `>; rel="next"`
		}))
		_, err := c.Rooms(t.Context())
		require.ErrorContains(t, err, "not followed", link)
		require.Len(t, all(), 1)
	}
	require.Empty(t, others())
}

func TestEndlessPagesEnd(t *testing.T) {
	c, _ := serve(t, pages(1<<30, func(r *http.Request, page int) string { return fmt.Sprintf(`</v1/rooms?page=%d>; rel="next"`, page) }))
	_, err := c.Rooms(t.Context())
	require.ErrorContains(t, err, "pages")
	c, _ = serve(t, pages(1<<30, func(*http.Request, int) string { return `</v1/rooms?page=1>; rel="next"` }))
	_, err = c.Rooms(t.Context())
	require.ErrorContains(t, err, "the same page")
}

func TestSignature(t *testing.T) {
	// RFC 2202, test case 2.
	require.Equal(t, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79", Sign("Jefe", []byte("what do ya want for nothing?")))
	body := []byte(`{"id":"x"}`)
	require.True(t, CheckSignature("s", body, Sign("s", body)))
	require.True(t, CheckSignature("s", body, strings.ToUpper(Sign("s", body))))
	require.False(t, CheckSignature("s", body, ""))
	require.False(t, CheckSignature("s", append(body, ' '), Sign("s", body)))
	require.False(t, CheckSignature("t", body, Sign("s", body)))
	require.False(t, CheckSignature("", body, Sign("", body)), "nothing is signed without a secret")
}

func TestLinks(t *testing.T) {
	// This example is from the API documentation.
	const room = "Y2lzY29zcGFyazovL3VzL1JPT00vYmJjZWIxYWQtNDNmMS0zYjU4LTkxNDctZjE0YmIwYzRkMTU0"
	const message = "Y2lzY29zcGFyazovL3VzL01FU1NBR0UvOTJkYjNiZTAtNDNiZC0xMWU2LThhZTktZGQ1YjNkZmM1NjVk"
	link, ok := SpaceLink(room)
	require.True(t, ok)
	require.Equal(t, "webexteams://im?space=bbceb1ad-43f1-3b58-9147-f14bb0c4d154", link)
	link, ok = MessageLink(room, message)
	require.True(t, ok)
	require.Equal(t, "webexteams://im?space=bbceb1ad-43f1-3b58-9147-f14bb0c4d154&message=92db3be0-43bd-11e6-8ae9-dd5b3dfc565d", link)
	link, ok = MessageLink(room, "?")
	require.True(t, ok)
	require.Equal(t, "webexteams://im?space=bbceb1ad-43f1-3b58-9147-f14bb0c4d154", link)
	for _, id := range []string{"", "noc", "!", message, room[:len(room)-4]} {
		_, ok := SpaceLink(id)
		require.False(t, ok, id)
	}
}

// answer makes an answer without a server.
func answer(r *http.Request, code int, kind, body string) *http.Response {
	return &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
}

// Every call through a gate asks it first, a refused call is not made, and the original client has no gate.
func TestCallsThroughAGate(t *testing.T) {
	for _, tc := range everyCall {
		code, body := tc.answer()
		c, all := serve(t, status(code, nil, body))
		var asked []string
		refused := &Error{Op: tc.op, Status: http.StatusTooManyRequests}
		open := false
		gated := c.Through(func(_ context.Context, op string, call func() error) error {
			asked = append(asked, op)
			if !open {
				return refused
			}
			return call()
		})
		require.ErrorIs(t, tc.call(t.Context(), gated), refused)
		require.Empty(t, all())
		open = true
		require.NoError(t, tc.call(t.Context(), gated))
		require.NoError(t, tc.call(t.Context(), c))
		require.Equal(t, []string{tc.op, tc.op}, asked)
		require.Len(t, all(), 2)
	}
}
