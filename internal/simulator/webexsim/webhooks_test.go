package webexsim

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/webex"
)

// envelope is all that Webex posts to a webhook's target.
type envelope struct {
	ID, Name, Resource, Event, Filter, OrgID, CreatedBy, AppID, OwnedBy, Status, ActorID string
	Data                                                                                 struct {
		webex.EnvelopeData
		Type string
	}
}

// target is a webhook's target.
type target struct {
	mu     sync.Mutex
	status int
	delay  time.Duration
	got    []envelope
	signed []bool
}

const (
	targetURL = "http://127.0.0.1:8080/v1/webex/noc"
	secret    = "webhook-secret"
)

func (w *world) listen(t *testing.T) *target {
	l := memnet.Listen()
	w.targets["127.0.0.1:8080"] = l
	out := &target{status: 200}
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var e envelope
		out.mu.Lock()
		delay := out.delay
		out.mu.Unlock()
		time.Sleep(delay) // in the bubble this takes no time
		out.mu.Lock()
		defer out.mu.Unlock()
		if json.Unmarshal(body, &e) == nil {
			out.got = append(out.got, e)
			out.signed = append(out.signed, webex.CheckSignature(secret, body, r.Header.Get(webex.SignatureHeader)))
		}
		rw.WriteHeader(out.status)
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return out
}

// take waits for all deliveries and returns those since the last call.
func (g *target) take() []envelope {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	out := g.got
	g.got = nil
	return out
}

// slow makes each answer take a while.
func (g *target) slow(delay time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.delay = delay
}

func (g *target) answer(status int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.status = status
}

func (w *world) hook(t *testing.T, resource, event, filter string) webex.Webhook {
	t.Helper()
	hook, err := w.bot.CreateWebhook(t.Context(), webex.Webhook{Name: resource, TargetURL: targetURL, Resource: resource, Event: event, Filter: filter, Secret: secret})
	require.NoError(t, err)
	require.Equal(t, "active", hook.Status)
	return hook
}

func (w *world) line(t *testing.T, l Line) MessageView {
	t.Helper()
	m, err := w.Say(l)
	require.NoError(t, err)
	return m
}

// A delivery is signed and names the message, without its text.
func TestWebhookDelivery(t *testing.T) {
	in(t, Options{RepeatDeliveries: 1}, func(t *testing.T, w *world) {
		g := w.listen(t)
		hook := w.hook(t, "messages", "created", "mentionedPeople=me&roomType=group")
		m := w.line(t, Line{Room: "noc", From: alice, Text: "ack 4711", MentionBot: true})
		w.line(t, Line{Room: "noc", From: alice, Text: "no mention"})
		w.line(t, Line{Room: DirectRoomID(DefaultBot, alice), From: alice, Text: "direct"})
		w.say(t, "the bot's own")
		got := g.take()
		require.Len(t, got, 2, "deliveries can repeat")
		require.Equal(t, got[0], got[1])
		require.Equal(t, []bool{true, true}, g.signed)
		e := got[0]
		want := envelope{
			ID: hook.ID, Name: "messages", Resource: "messages", Event: "created", Filter: "mentionedPeople=me&roomType=group",
			OrgID: e.OrgID, CreatedBy: PersonID(DefaultBot), AppID: e.AppID, OwnedBy: "creator", Status: "active", ActorID: PersonID(alice),
		}
		want.Data.EnvelopeData = webex.EnvelopeData{ID: m.ID, RoomID: noc, RoomType: "group", PersonID: PersonID(alice), PersonEmail: alice, Created: webex.Time{Time: m.Created}}
		require.Equal(t, want, e)
		require.Equal(t, 2, w.Stats().Delivered)
	})
}

// Each filter works, and a bot never receives a message that it may not read, even without a filter.
func TestWebhookFilters(t *testing.T) {
	direct := DirectRoomID(DefaultBot, alice)
	for filter, want := range map[string][]string{
		"":                            {"mention", "db mention", "direct", "own", "own card", "own file"},
		"roomId=" + db:                {"db mention"},
		"roomType=direct":             {"direct"},
		"roomType=group":              {"mention", "db mention", "own", "own card", "own file"},
		"personEmail=bob@example.com": {"db mention"},
		"personId=" + PersonID(alice): {"mention", "direct"},
		"mentionedPeople=me":          {"mention", "db mention"},
		"mentionedPeople=" + PersonID(DefaultBot) + "&roomId=" + noc: {"mention"},
		"hasFiles=true":       {"own file"},
		"hasAttachments=true": {"own card"},
	} {
		in(t, Options{}, func(t *testing.T, w *world) {
			g := w.listen(t)
			w.hook(t, "messages", "created", filter)
			names := map[string]string{}
			names[w.line(t, Line{Room: "noc", From: alice, Text: "chatter"}).ID] = "chatter"
			names[w.line(t, Line{Room: "noc", From: alice, Text: "x", MentionBot: true}).ID] = "mention"
			names[w.line(t, Line{Room: "db", From: bob, Text: "x", MentionBot: true}).ID] = "db mention"
			names[w.line(t, Line{Room: direct, From: alice, Text: "x"}).ID] = "direct"
			names[w.say(t, "x").ID] = "own"
			m, err := w.bot.CreateMessage(t.Context(), webex.NewMessage{RoomID: noc, Attachments: card(nil)})
			require.NoError(t, err)
			names[m.ID] = "own card"
			m, err = w.bot.CreateMessage(t.Context(), webex.NewMessage{RoomID: noc, File: &webex.File{Name: "x"}})
			require.NoError(t, err)
			names[m.ID] = "own file"
			var heard []string
			for _, e := range g.take() {
				heard = append(heard, names[e.Data.ID])
			}
			require.Equal(t, want, heard, filter)
		})
	}
}

func TestWebhookEvents(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		g := w.listen(t)
		w.hook(t, "all", "all", "")
		what := func() (out []string) {
			for _, e := range g.take() {
				out = append(out, e.Resource+"/"+e.Event)
			}
			return out
		}
		m := w.say(t, "x")
		_, err := w.bot.EditMessage(t.Context(), m.ID, noc, "y")
		require.NoError(t, err)
		require.NoError(t, w.bot.DeleteMessage(t.Context(), m.ID))
		require.Equal(t, []string{"messages/created", "messages/updated", "messages/deleted"}, what())
		require.NoError(t, w.RemoveFromRoom("db", DefaultBot))
		w.line(t, Line{Room: "db", From: bob, Text: "alone"})
		require.NoError(t, w.AddToRoom("db", DefaultBot))
		require.Equal(t, []string{"memberships/deleted", "memberships/created"}, what(), "a removed bot is notified")
		require.Error(t, w.AddToRoom("db", DefaultBot))
		m, err = w.bot.CreateMessage(t.Context(), webex.NewMessage{RoomID: noc, Attachments: card(nil)})
		require.NoError(t, err)
		_, err = w.Press(m.ID, alice, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"messages/created", "attachmentActions/created"}, what())
	})
}

func TestRefusedWebhooks(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		good := webex.Webhook{Name: "n", TargetURL: targetURL, Resource: "messages", Event: "created"}
		for name, spoil := range map[string]func(*webex.Webhook){
			"no name":               func(h *webex.Webhook) { h.Name = "" },
			"no target":             func(h *webex.Webhook) { h.TargetURL = "" },
			"another machine":       func(h *webex.Webhook) { h.TargetURL = "https://relay.example.com/x" },
			"another address":       func(h *webex.Webhook) { h.TargetURL = "http://10.0.0.1/x" },
			"unknown resource":      func(h *webex.Webhook) { h.Resource = "message" },
			"unknown event":         func(h *webex.Webhook) { h.Event = "create" },
			"unknown filter":        func(h *webex.Webhook) { h.Filter = "room=x" },
			"foreign filter":        func(h *webex.Webhook) { h.Resource, h.Filter = "attachmentActions", "mentionedPeople=me" },
			"filter with no value":  func(h *webex.Webhook) { h.Filter = "roomId" },
			"all, but only created": func(h *webex.Webhook) { h.Resource = "all" },
		} {
			bad := good
			spoil(&bad)
			_, err := w.bot.CreateWebhook(t.Context(), bad)
			require.Error(t, err, name)
			refused(t, 400, err)
		}
		hook, err := w.bot.CreateWebhook(t.Context(), good)
		require.NoError(t, err)
		for _, bad := range []webex.Webhook{{ID: hook.ID, Name: "n"}, {ID: hook.ID, TargetURL: targetURL}, {ID: hook.ID, Name: "n", TargetURL: targetURL, Status: "inactive"}, {ID: hook.ID, Name: "n", TargetURL: "http://evil.example"}} {
			_, err = w.bot.UpdateWebhook(t.Context(), bad)
			refused(t, 400, err)
		}
		hooks, err := w.bot.Webhooks(t.Context())
		require.NoError(t, err)
		require.Len(t, hooks, 1)
		require.Equal(t, "created", hooks[0].Event, "the event of a webhook can't be changed")

		// Another account doesn't see it.
		w.AddBot("other@webex.bot", "Other", "other-token")
		other := webex.New(webex.Options{BaseURL: api, Token: "other-token", Transport: w.transport})
		hooks, err = other.Webhooks(t.Context())
		require.NoError(t, err)
		require.Empty(t, hooks)
		refused(t, 404, other.DeleteWebhook(t.Context(), hook.ID))
		require.NoError(t, w.bot.DeleteWebhook(t.Context(), hook.ID))
		refused(t, 404, w.bot.DeleteWebhook(t.Context(), hook.ID))
	})
}

// A hundred failures in five minutes disable a webhook; after it is re-enabled, one failure is enough for five minutes.
func TestWebhookIsDisabled(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		g := w.listen(t)
		hook := w.hook(t, "messages", "created", "mentionedPeople=me")
		status := func() string {
			hooks, err := w.bot.Webhooks(t.Context())
			require.NoError(t, err)
			return hooks[0].Status
		}
		fail := func(n int, pause time.Duration) {
			for range n {
				w.line(t, Line{Room: "noc", From: alice, Text: "x", MentionBot: true})
				synctest.Wait()
				time.Sleep(pause)
			}
		}
		g.answer(500)
		fail(200, 4*time.Second)
		require.Equal(t, "active", status(), "75 failures in five minutes")
		time.Sleep(10 * time.Minute)
		fail(99, time.Second)
		require.Equal(t, "active", status())
		fail(1, time.Second)
		require.Equal(t, "inactive", status())
		g.take()
		fail(3, time.Second)
		require.Empty(t, g.take(), "a disabled webhook stays disabled")

		reenable := func() {
			_, err := w.bot.UpdateWebhook(t.Context(), webex.Webhook{ID: hook.ID, Name: "n", TargetURL: targetURL, Status: "active"})
			require.NoError(t, err)
		}
		reenable()
		require.Equal(t, "active", status())
		fail(1, 0)
		require.Equal(t, "inactive", status(), "one failure after it was re-enabled")
		reenable()
		g.answer(200)
		fail(1, 5*time.Minute)
		g.answer(302)
		fail(1, 0)
		require.Equal(t, "active", status(), "five minutes later one failure is tolerated")

		w.DisableWebhooks(DefaultBot)
		require.Equal(t, "inactive", status())

		// Deliveries that are queued for a disabled webhook are dropped.
		reenable()
		g.take()
		g.slow(time.Minute)
		for range 3 {
			w.line(t, Line{Room: "noc", From: alice, Text: "x", MentionBot: true})
		}
		synctest.Wait()
		w.DisableWebhooks(DefaultBot)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, g.take(), 1)
	})
}
