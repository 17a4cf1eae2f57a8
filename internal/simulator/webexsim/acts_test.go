package webexsim

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/webex"
)

func TestPressingAButton(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		g := w.listen(t)
		w.hook(t, "attachmentActions", "created", "")
		m, err := w.bot.CreateMessage(t.Context(), webex.NewMessage{RoomID: noc, Markdown: "x", Attachments: card(nil)})
		require.NoError(t, err)

		id, err := w.PressButton(m.ID, alice, "Acknowledge", map[string]any{"comment": "mine"})
		require.NoError(t, err)
		got := g.take()
		require.Len(t, got, 1)
		require.Equal(t, webex.EnvelopeData{ID: id, MessageID: m.ID, RoomID: noc, PersonID: PersonID(alice), Created: got[0].Data.Created}, got[0].Data.EnvelopeData)
		require.Equal(t, "submit", got[0].Data.Type)
		a, err := w.bot.GetAttachmentAction(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, webex.AttachmentAction{
			ID: id, Type: "submit", MessageID: m.ID, PersonID: PersonID(alice), RoomID: noc,
			Inputs: map[string]any{"relay": 1.0, "action": "ack", "comment": "mine"},
		}, a)

		id, err = w.PressButton(m.ID, bob, "Two hours", nil)
		require.NoError(t, err)
		a, err = w.bot.GetAttachmentAction(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, map[string]any{"action": "suppress", "comment": "on it"}, a.Inputs, "a button of a nested card sends the outer inputs too")

		// A client can send any inputs.
		id, err = w.Press(m.ID, mallory, map[string]any{"action": "close"})
		require.NoError(t, err)
		a, err = w.bot.GetAttachmentAction(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, map[string]any{"action": "close"}, a.Inputs)

		_, err = w.PressButton(m.ID, alice, "Nothing", nil)
		require.ErrorContains(t, err, "Acknowledge, Two hours")
		_, err = w.Press(m.ID, "nobody@example.com", nil)
		require.Error(t, err)
		require.NoError(t, w.bot.DeleteMessage(t.Context(), m.ID))
		_, err = w.Press(m.ID, alice, nil)
		require.Error(t, err, "the card was deleted")
		_, err = w.Press(w.say(t, "x").ID, alice, nil)
		require.Error(t, err)
		_, err = w.bot.GetAttachmentAction(t.Context(), "x")
		refused(t, 404, err)
	})
}

func TestWaitAndSubscribe(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		events, cancel := w.Subscribe()
		go func() {
			time.Sleep(time.Hour)
			_, _ = w.bot.CreateMessage(context.Background(), webex.NewMessage{RoomID: noc, Markdown: "**late**"})
		}()
		start := time.Now()
		require.NoError(t, w.Wait(t.Context(), func(st State) bool {
			messages := st.Room("noc").Messages
			return len(messages) == 1 && messages[0].Text == "late"
		}))
		require.Equal(t, time.Hour, time.Since(start))
		e := <-events
		require.Equal(t, "message.created", e.Type)
		require.Equal(t, "late", e.View.Text)
		require.Equal(t, w.State().Revision, e.Revision)
		cancel()
		cancel()
		_, open := <-events
		require.False(t, open)

		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		err := w.Wait(ctx, func(State) bool { return false })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "Relay: late", "the error shows the rooms")

		// A slow subscriber misses events and sees a gap in the revisions.
		slow, cancel := w.Subscribe()
		defer cancel()
		for range 300 {
			w.line(t, Line{Room: "noc", From: alice, Text: "x"})
		}
		require.Len(t, slow, 256)
	})
}

// Ids of rooms and people are the same in every run, ids of messages for the same seed.
func TestIDs(t *testing.T) {
	var first []string
	for range 2 {
		s := NewDefault(Options{Seed: 7})
		m, err := s.Say(Line{Room: "noc", From: alice, Text: "x"})
		require.NoError(t, err)
		ids := []string{m.ID, m.RoomID, m.From.ID, s.State().Room("db").ID}
		require.Equal(t, RoomID("noc"), m.RoomID)
		if first == nil {
			first = ids
		}
		require.Equal(t, first, ids)
		_, ok := webex.MessageLink(m.RoomID, m.ID)
		require.True(t, ok)
		s.Close()
	}
	require.Panics(t, func() { NewDefault(Options{}).AddRoom("noc", "again") })
	require.Panics(t, func() { New(Options{}).AddRoom("x", "x", "nobody@example.com") })
}

// Close cancels deliveries that hang.
func TestCloseEndsDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewDefault(Options{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})})
		s.mu.Lock()
		s.webhooks = []*webhook{{id: "w", target: targetURL, resource: "all", owner: s.byEmail(DefaultBot)}}
		s.mu.Unlock()
		_, err := s.Say(Line{Room: "noc", From: alice, Text: "x", MentionBot: true})
		require.NoError(t, err)
		synctest.Wait()
		events, _ := s.Subscribe()
		s.Close()
		_, open := <-events
		require.False(t, open)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// People act over HTTP, for pages and for tests in other processes.
func TestControl(t *testing.T) {
	s := NewDefault(Options{})
	defer s.Close()
	server := httptest.NewServer(s)
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	bot := webex.New(webex.Options{BaseURL: server.URL + "/v1", Token: DefaultBotToken, Transport: transport})

	call := func(method, path, body string, into any) int {
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer func() { _ = resp.Body.Close() }()
		data, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		if into != nil {
			require.NoError(t, json.Unmarshal(data, into), string(data))
		}
		return resp.StatusCode
	}

	// The stream of changes.
	ctx, stop := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/sim/events", nil)
	require.NoError(t, err)
	stream, err := client.Do(req)
	require.NoError(t, err)
	require.Equal(t, "text/event-stream", stream.Header.Get("Content-Type"))
	lines := bufio.NewScanner(stream.Body)

	var said MessageView
	require.Equal(t, 200, call("POST", "/sim/say", `{"room":"noc","from":"alice@example.com","text":"help","mentionBot":true}`, &said))
	require.Equal(t, "Relay help", said.Text)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var e Event
			require.NoError(t, json.Unmarshal([]byte(data), &e))
			require.Equal(t, said.ID, e.Message)
			require.Equal(t, "Relay help", e.View.Text)
			break
		}
	}
	stop()
	require.NoError(t, stream.Body.Close())

	var st State
	require.Equal(t, 200, call("GET", "/sim/state", "", &st))
	require.Len(t, st.Rooms, 6)
	require.Equal(t, "help", strings.TrimPrefix(st.Room("noc").Messages[0].Text, "Relay "))

	m, err := bot.CreateMessage(t.Context(), webex.NewMessage{RoomID: noc, Attachments: card(nil)})
	require.NoError(t, err)
	var pressed done
	require.Equal(t, 200, call("POST", "/sim/press", fmt.Sprintf(`{"messageId":%q,"from":"bob@example.com","button":"Acknowledge"}`, m.ID), &pressed))
	a, err := bot.GetAttachmentAction(t.Context(), pressed.ID)
	require.NoError(t, err)
	require.Equal(t, "ack", a.Inputs["action"])
	require.Equal(t, 200, call("POST", "/sim/press", fmt.Sprintf(`{"messageId":%q,"from":"bob@example.com","inputs":{"a":1}}`, m.ID), nil))
	require.Equal(t, 200, call("POST", "/sim/delete", fmt.Sprintf(`{"messageId":%q,"from":"bob@example.com"}`, m.ID), nil))
	require.Equal(t, 404, call("POST", "/sim/delete", fmt.Sprintf(`{"messageId":%q,"from":"bob@example.com"}`, m.ID), nil))

	var fault done
	require.Equal(t, 200, call("POST", "/sim/faults", `{"op":"GET /people/me","status":500}`, &fault))
	_, err = bot.Me(t.Context())
	refused(t, 500, err)
	require.Equal(t, 200, call("DELETE", "/sim/faults/"+fault.ID, "", nil))
	require.Equal(t, 404, call("DELETE", "/sim/faults/"+fault.ID, "", nil))
	require.Equal(t, 200, call("POST", "/sim/outage", `{"seconds":3600}`, nil))
	_, err = bot.Me(t.Context())
	refused(t, 503, err)
	require.Equal(t, 200, call("POST", "/sim/outage", `{"seconds":0}`, nil))
	require.Equal(t, 200, call("POST", "/sim/limits", `{"account":1}`, nil))
	_, err = bot.Me(t.Context())
	require.NoError(t, err)
	_, err = bot.Me(t.Context())
	refused(t, 429, err)
	require.Equal(t, 400, call("POST", "/sim/limits", `{"room":-1}`, nil))
	require.Equal(t, 200, call("POST", "/sim/limits", `{}`, nil))
	require.Equal(t, 200, call("POST", "/sim/token", `{"person":"relay@webex.bot","token":""}`, nil))
	_, err = bot.Me(t.Context())
	refused(t, 401, err)
	require.Equal(t, 200, call("POST", "/sim/token", `{"person":"relay@webex.bot","token":"`+DefaultBotToken+`"}`, nil))
	require.Equal(t, 200, call("DELETE", "/sim/members", `{"room":"noc","person":"relay@webex.bot"}`, nil))
	_, err = bot.GetMessage(t.Context(), m.ID)
	refused(t, 404, err)
	require.Equal(t, 200, call("POST", "/sim/members", `{"room":"noc","person":"relay@webex.bot"}`, nil))

	// A browser never executes an uploaded file.
	m, err = bot.CreateMessage(t.Context(), webex.NewMessage{RoomID: noc, File: &webex.File{Name: "x.html", ContentType: "text/html", Content: []byte("<script>")}})
	require.NoError(t, err)
	view, _ := s.Message(m.ID)
	resp, err := client.Get(server.URL + view.Files[0].URL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "attachment; filename=x.html", resp.Header.Get("Content-Disposition"))
	require.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
	require.Equal(t, 404, call("GET", "/sim/files/x", "", nil))

	var stats Stats
	require.Equal(t, 200, call("GET", "/sim/stats", "", &stats))
	require.Equal(t, 2, stats.Calls["POST /messages"])

	require.Equal(t, 404, call("GET", "/sim/nothing", "", nil))
	require.Equal(t, 400, call("POST", "/sim/say", `{"rooom":"noc"}`, nil))
	require.Equal(t, 404, call("POST", "/sim/say", `{"room":"nowhere","from":"alice@example.com"}`, nil))
}

// Only this machine controls the simulator, and pages of other sites can't through its browser.
func TestControlIsLocal(t *testing.T) {
	s := NewDefault(Options{})
	defer s.Close()
	ask := func(change func(*http.Request)) int {
		r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080/sim/say", strings.NewReader(`{"room":"noc","from":"alice@example.com","text":"x"}`))
		r.RemoteAddr = "127.0.0.1:5000"
		change(r)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Code
	}
	require.Equal(t, 200, ask(func(*http.Request) {}))
	require.Equal(t, 200, ask(func(r *http.Request) { r.RemoteAddr, r.Host = "[::1]:5000", "localhost" }))
	require.Equal(t, 200, ask(func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }))
	require.Equal(t, 403, ask(func(r *http.Request) { r.RemoteAddr = "10.0.0.1:5000" }))
	require.Equal(t, 403, ask(func(r *http.Request) { r.Host = "evil.example" }))
	require.Equal(t, 403, ask(func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }))
	require.Equal(t, 403, ask(func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }))
}
