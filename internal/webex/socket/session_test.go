package socket

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/webex"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	bot   = "relay@webex.bot"
	alice = "alice@example.com"
	u2c   = "http://webex.test"
)

// world is a simulated Webex over a network in memory, and a bot's registry.
type world struct {
	*webexsim.Server
	t      *testing.T
	client *webex.Client
	kept   string // the device's URL

	mu    sync.Mutex
	heard []webex.Envelope
	fail  error // of the next claims
	ended chan End
}

func in(t *testing.T, o webexsim.Options, story func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		net := memnet.Listen()
		transport := memnet.Transport(map[string]*memnet.Listener{"webex.test:80": net})
		o.Transport = transport
		w := &world{t: t, Server: webexsim.New(o)}
		w.AddBot(bot, "Relay", "token-of-relay")
		w.AddPerson(alice, "Alice")
		w.AddRoom("noc", "NOC", bot, alice)
		w.Direct(bot, alice)
		server := &http.Server{Handler: w.Server}
		go func() { _ = server.Serve(net) }()
		w.client = webex.New(webex.Options{BaseURL: u2c + "/v1", Token: "token-of-relay", Transport: transport})
		defer func() {
			w.Close()
			transport.CloseIdleConnections()
			_ = server.Close()
		}()
		story(w)
	})
}

func (w *world) registry() *Registry {
	return &Registry{
		API: w.client, U2C: u2c, StoreID: "s1",
		Load: func(context.Context) (string, error) { return w.kept, nil },
		Keep: func(_ context.Context, url string) error { w.kept = url; return nil },
	}
}

func (w *world) register(fresh bool) Device {
	d, err := w.registry().Register(w.t.Context(), fresh)
	require.NoError(w.t, err)
	return d
}

func (w *world) open(d Device) *Session {
	s, end := Open(w.t.Context(), w.client, d, slog.New(slog.DiscardHandler), func() {})
	require.NoError(w.t, end.Err)
	return s
}

// serve serves a session until stop, or until it ends.
func (w *world) serve(s *Session) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	w.ended = make(chan End, 1)
	go func() {
		w.ended <- s.Serve(ctx, func(_ context.Context, e webex.Envelope) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.fail != nil {
				return w.fail
			}
			w.heard = append(w.heard, e)
			return nil
		})
	}()
	synctest.Wait()
	return cancel
}

// end waits for the end of the session that is served.
func (w *world) end() End {
	select {
	case e := <-w.ended:
		return e
	case <-time.After(2 * time.Minute):
		require.FailNow(w.t, "the session didn't end")
		return End{}
	}
}

func (w *world) say(text string) webexsim.MessageView {
	m, err := w.Say(webexsim.Line{Room: "noc", From: alice, Text: text, MentionBot: true})
	require.NoError(w.t, err)
	synctest.Wait()
	return m
}

func (w *world) ids() (ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.heard {
		ids = append(ids, e.Resource+"/"+e.Event+" "+e.Data.ID)
	}
	return ids
}

// What people say and press comes with the ids of the REST API.
func TestSessionHearsMessagesEditsAndPresses(t *testing.T) {
	for _, cluster := range []string{"", "urn:TEAM:us-west-2_r"} {
		in(t, webexsim.Options{Cluster: cluster}, func(w *world) {
			stop := w.serve(w.open(w.register(false)))
			m := w.say("problems")
			_, err := w.Edit(m.ID, alice, "ack 4711")
			require.NoError(w.t, err)
			synctest.Wait()
			card, err := w.client.CreateMessage(w.t.Context(), webex.NewMessage{RoomID: webexsim.RoomID("noc"), Markdown: "x", Attachments: []webex.Attachment{{
				ContentType: webex.CardContentType, Content: map[string]any{"type": "AdaptiveCard", "version": "1.3", "body": []any{}, "actions": []any{map[string]any{"type": "Action.Submit", "title": "Ack"}}},
			}}})
			require.NoError(w.t, err)
			press, err := w.Press(card.ID, alice, nil)
			require.NoError(w.t, err)
			synctest.Wait()
			require.NoError(w.t, w.Delete(m.ID, alice))
			synctest.Wait()
			require.Equal(w.t, []string{"messages/created " + m.ID, "messages/updated " + m.ID, "messages/created " + card.ID, "attachmentActions/created " + press}, w.ids())
			require.Equal(w.t, card.ID, w.heard[3].Data.MessageID)
			require.Equal(w.t, webexsim.PersonID(alice), w.heard[0].Data.PersonID)
			require.Equal(w.t, "group", w.heard[0].Data.RoomType)
			stop()
			require.Equal(w.t, Stopped, w.end().Reason)
			synctest.Wait()
			require.Zero(w.t, w.Sockets(bot))
		})
	}
}

// In another cluster the id of a message is read. One that was deleted meanwhile is acknowledged: it would come again forever.
func TestMessageThatIsGoneBeforeItsIDIsRead(t *testing.T) {
	in(t, webexsim.Options{Cluster: "urn:TEAM:us-west-2_r"}, func(w *world) {
		remove := w.AddFault(webexsim.Fault{Op: "GET /conversation/api/v1/messages/{id}", Status: 503})
		stop := w.serve(w.open(w.register(false)))
		m := w.say("problems")
		remove()
		require.NoError(w.t, w.Delete(m.ID, alice))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(w.t, w.ids())
		require.Empty(w.t, w.Unacknowledged(bot))
		stop()
		w.end()
	})
}

// failing sets the error of the claims that follow.
func (w *world) failing(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = err
}

// A claim that fails for a moment is repeated at once: Webex would send the event again only a quarter of an hour later.
func TestClaimIsRepeated(t *testing.T) {
	in(t, webexsim.Options{}, func(w *world) {
		w.fail = errors.New("database is locked")
		stop := w.serve(w.open(w.register(false)))
		m := w.say("problems")
		require.Empty(w.t, w.ids())
		w.failing(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(w.t, []string{"messages/created " + m.ID}, w.ids())
		require.Empty(w.t, w.Unacknowledged(bot))
		stop()
		w.end()
	})
}

// An event that couldn't be claimed isn't acknowledged: it comes again, by the next connection at the latest.
func TestUnclaimedEventComesAgain(t *testing.T) {
	in(t, webexsim.Options{}, func(w *world) {
		d := w.register(false)
		w.fail = errors.New("disk full")
		stop := w.serve(w.open(d))
		m := w.say("problems")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(w.t, w.ids())
		w.failing(nil)
		time.Sleep(17 * time.Minute)
		synctest.Wait()
		require.Equal(w.t, []string{"messages/created " + m.ID}, w.ids())
		stop()
		w.end()
		stop = w.serve(w.open(d))
		time.Sleep(17 * time.Minute)
		synctest.Wait()
		require.Len(w.t, w.ids(), 1, "acknowledged after the claim")
		stop()
		w.end()
	})
}

// In another cluster the id of a new message can be unknown for a moment. It isn't taken for a deleted one.
func TestMessageWhoseIDIsReadLater(t *testing.T) {
	in(t, webexsim.Options{Cluster: "urn:TEAM:us-west-2_r"}, func(w *world) {
		w.AddFault(webexsim.Fault{Op: "GET /conversation/api/v1/messages/{id}", Status: 404, Count: 2})
		stop := w.serve(w.open(w.register(false)))
		m := w.say("problems")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(w.t, []string{"messages/created " + m.ID}, w.ids())
		stop()
		w.end()
	})
}

// A frame that is too long, or isn't JSON, is dropped, and the connection stays.
func TestUnreadableFramesAreDropped(t *testing.T) {
	in(t, webexsim.Options{}, func(w *world) {
		stop := w.serve(w.open(w.register(false)))
		for _, frame := range []string{strings.Repeat(" ", maxFrame) + "{}", strings.Repeat("x", 3*maxFrame), "", "[]", "null", "{"} {
			w.SendFrame(bot, []byte(frame))
		}
		m := w.say("problems")
		require.Equal(w.t, []string{"messages/created " + m.ID}, w.ids())
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(w.t, 1, w.Sockets(bot))
		stop()
		require.Equal(w.t, Stopped, w.end().Reason)
	})
}

// A connection's end has a reason, which decides what follows.
func TestEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(w *world)
		want Reason
	}{
		"closed":       {func(w *world) { w.CloseSockets(bot, 1000, "Done") }, Closed},
		"going away":   {func(w *world) { w.CloseSockets(bot, 1001, "") }, Closed},
		"broken":       {func(w *world) { w.CloseSockets(bot, 0, "") }, Lost},
		"server error": {func(w *world) { w.CloseSockets(bot, 1011, "oops") }, Lost},
		"bad request":  {func(w *world) { w.CloseSockets(bot, 4400, "") }, Forbidden},
		"token":        {func(w *world) { w.CloseSockets(bot, 4401, "") }, Unauthorized},
		"forbidden":    {func(w *world) { w.CloseSockets(bot, 4403, "") }, Forbidden},
		"no pongs":     {func(w *world) { w.SilenceSockets(bot); time.Sleep(pingEvery + pongWithin) }, Silent},
		"replaced": {func(w *world) {
			other := w.open(w.register(false))
			synctest.Wait()
			_ = other.conn.CloseNow()
		}, Replaced},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, webexsim.Options{}, func(w *world) {
				defer w.serve(w.open(w.register(false)))()
				tc.end(w)
				end := w.end()
				require.Equal(w.t, tc.want, end.Reason)
				require.Error(w.t, end.Err)
				require.NotContains(w.t, end.Err.Error(), "token-of-relay")
			})
		})
	}
}

// A quiet connection stays open: pings are answered.
func TestQuietConnectionStaysOpen(t *testing.T) {
	in(t, webexsim.Options{}, func(w *world) {
		stop := w.serve(w.open(w.register(false)))
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		require.Equal(w.t, 1, w.Sockets(bot))
		stop()
		require.Equal(w.t, Stopped, w.end().Reason)
	})
}

func TestHandshakeFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(w *world)
		want    End
	}{
		"unknown address": {func(w *world) { w.StaleSockets(bot) }, End{Reason: Stale}},
		"rate limit":      {func(w *world) { w.AddFault(webexsim.Fault{Op: "GET /mercury/{id}", Status: 429, RetryAfter: "77"}) }, End{Reason: Limited, RetryAfter: 77 * time.Second}},
		"outage":          {func(w *world) { w.Outage(time.Now().Add(time.Hour)) }, End{Reason: Lost}},
		"refused":         {func(w *world) { w.AddFault(webexsim.Fault{Op: "GET /mercury/{id}", Status: 403}) }, End{Reason: Forbidden}},
		"no answer":       {func(w *world) { w.AddFault(webexsim.Fault{Op: "GET /mercury/{id}", Drop: true}) }, End{Reason: Lost}},
		"token revoked":   {func(w *world) { require.NoError(w.t, w.SetToken(bot, "another")) }, End{Reason: Unauthorized}},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, webexsim.Options{}, func(w *world) {
				d := w.register(false)
				tc.prepare(w)
				s, end := Open(w.t.Context(), w.client, d, slog.New(slog.DiscardHandler), func() {})
				require.Nil(w.t, s)
				require.Error(w.t, end.Err)
				require.NotContains(w.t, end.Err.Error(), d.socket)
				end.Err = nil
				require.Equal(w.t, tc.want, end)
			})
		})
	}
}

// One device is registered, and used again; only devices with its name are deleted.
func TestDeviceIsReused(t *testing.T) {
	in(t, webexsim.Options{}, func(w *world) {
		create := func(name string) {
			require.NoError(w.t, w.client.Service(w.t.Context(), webex.OpCreateDevice, u2c+"/wdm/api/v1/devices", (&Registry{StoreID: name}).wanted(), &map[string]any{}))
		}
		create("another store")
		first := w.register(false)
		require.Equal(w.t, w.kept, first.url)
		require.Equal(w.t, first.url, w.register(false).url, "by its URL")
		w.kept = ""
		require.Equal(w.t, first.url, w.register(false).url, "by its name")
		create("s1")
		w.kept = ""
		w.register(false)
		require.Equal(w.t, []string{namePrefix + "another store", namePrefix + "s1"}, w.DeviceNames(bot), "duplicates are deleted")
		require.NotEqual(w.t, first.url, w.register(true).url)
		require.Len(w.t, w.DeviceNames(bot), 2)
		w.ForgetDevices(bot)
		require.NotEmpty(w.t, w.register(false).url)
		require.Equal(w.t, []string{namePrefix + "s1"}, w.DeviceNames(bot))
	})
}

func TestRegistrationFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		fault webexsim.Fault
		want  Reason
	}{
		"catalog away":     {webexsim.Fault{Op: "GET /u2c/api/v1/catalog", Status: 503}, Unregistered},
		"a login page":     {webexsim.Fault{Op: "GET /u2c/api/v1/catalog", Status: 200, Body: "<html>login</html>"}, Unregistered},
		"an empty catalog": {webexsim.Fault{Op: "GET /u2c/api/v1/catalog", Status: 200, Body: "{}"}, Unregistered},
		"a plain catalog":  {webexsim.Fault{Op: "GET /u2c/api/v1/catalog", Status: 200, Body: `{"serviceLinks":{"wdm":"ftp://x"}}`}, Unregistered},
		"too many devices": {webexsim.Fault{Op: "POST /wdm/api/v1/devices", Status: 403}, Forbidden},
		"a rate limit":     {webexsim.Fault{Op: "POST /wdm/api/v1/devices", Status: 429, RetryAfter: "30"}, Limited},
		"a refused token":  {webexsim.Fault{Op: "GET /wdm/api/v1/devices", Status: 401}, Unauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, webexsim.Options{}, func(w *world) {
				w.AddFault(tc.fault)
				_, err := w.registry().Register(w.t.Context(), false)
				require.Error(w.t, err)
				end := RegistrationEnd(err)
				require.Equal(w.t, tc.want, end.Reason, "%v", err)
				require.Equal(w.t, tc.want == Limited, end.RetryAfter > 0)
				require.False(w.t, strings.Contains(end.Err.Error(), "token-of-relay"))
			})
		})
	}
}

// The token goes to no address in clear text, unless Webex itself is one.
func TestTokenGoesToSecureAddressesOnly(t *testing.T) {
	require.NoError(t, checkAddress("x", "https://wdm.wbx2.com", "https://u2c.wbx2.com", "https", "http"))
	require.NoError(t, checkAddress("x", "ws://127.0.0.1:1/x", "http://127.0.0.1:1", "wss", "ws"))
	for _, address := range []string{"http://wdm.wbx2.com", "https://user@wdm.wbx2.com", "file:///etc/passwd", "wdm.wbx2.com", "", "https://"} {
		require.Error(t, checkAddress("x", address, "https://u2c.wbx2.com", "https", "http"), address)
	}
}
