package webexsim

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/webex"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	alice   = "alice@example.com"
	bob     = "bob@example.com"
	mallory = "mallory@example.org"
)

var noc, db = RoomID("noc"), RoomID("db")

// world is the default world, over a network in memory.
type world struct {
	*Server
	bot       *webex.Client
	listener  *memnet.Listener
	transport *http.Transport
	targets   map[string]*memnet.Listener // webhook targets, "127.0.0.1:PORT"
}

const api = "http://webex.test/v1"

// in runs a test in a bubble, where waiting takes no time.
func in(t *testing.T, opts Options, story func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{listener: memnet.Listen(), targets: map[string]*memnet.Listener{}}
		w.transport = memnet.Transport(map[string]*memnet.Listener{"webex.test:80": w.listener})
		targets := memnet.Transport(w.targets)
		opts.Transport = targets
		w.Server = NewDefault(opts)
		server := &http.Server{Handler: w.Server, ErrorLog: nil}
		go func() { _ = server.Serve(w.listener) }()
		w.bot = webex.New(webex.Options{BaseURL: api, Token: DefaultBotToken, Transport: w.transport})
		defer func() {
			w.Close()
			w.transport.CloseIdleConnections()
			targets.CloseIdleConnections()
			_ = server.Close()
			time.Sleep(time.Second) // the server lingers half a second over a request that it refused to read
		}()
		story(t, w)
	})
}

func (w *world) say(t *testing.T, markdown string) webex.Message {
	t.Helper()
	m, err := w.bot.CreateMessage(t.Context(), webex.NewMessage{RoomID: noc, Markdown: markdown})
	require.NoError(t, err)
	return m
}

// refused requires that err is Webex's refusal with a status, a reason and a tracking id.
func refused(t *testing.T, status int, err error) *webex.Error {
	t.Helper()
	var e *webex.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, status, e.Status, e.Error())
	require.NotEmpty(t, e.Message)
	require.NotEmpty(t, e.TrackingID)
	return e
}

// call makes a call, as the bot, that the relay's client doesn't have, and requires the answer's status.
func (w *world) call(t *testing.T, status int, method, path, body string, into any) {
	t.Helper()
	r := httptest.NewRequest(method, api+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+DefaultBotToken)
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	w.ServeHTTP(answer, r)
	require.Equal(t, status, answer.Code, answer.Body.String())
	if into != nil {
		require.NoError(t, json.Unmarshal(answer.Body.Bytes(), into))
	}
}

func TestMessagesAndThreads(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		ctx := t.Context()
		root := w.say(t, "**disk full** on db1")
		require.Equal(t, "group", root.RoomType)
		require.Equal(t, DefaultBot, root.PersonEmail)
		require.Equal(t, "disk full on db1", root.Text)
		require.Equal(t, "<p><strong>disk full</strong> on db1</p>", root.HTML)

		reply, err := w.bot.CreateMessage(ctx, webex.NewMessage{RoomID: noc, ParentID: root.ID, Text: "one"})
		require.NoError(t, err)
		again, err := w.bot.CreateMessage(ctx, webex.NewMessage{RoomID: noc, ParentID: reply.ID, Text: "two"})
		require.NoError(t, err)
		require.Equal(t, root.ID, again.ParentID, "a reply's id resolves to its root")

		_, err = w.bot.CreateMessage(ctx, webex.NewMessage{RoomID: db, ParentID: root.ID, Text: "x"})
		refused(t, 400, err)
		require.NoError(t, w.bot.DeleteMessage(ctx, root.ID))
		_, err = w.bot.CreateMessage(ctx, webex.NewMessage{RoomID: noc, ParentID: reply.ID, Text: "x"})
		refused(t, 404, err)
		_, err = w.bot.GetMessage(ctx, root.ID)
		refused(t, 404, err)
		require.NoError(t, w.bot.DeleteMessage(ctx, root.ID), "the second deletion has no effect")

		timeline := w.Timeline("noc")
		require.Len(t, timeline, 3)
		require.True(t, timeline[0].Deleted)
		require.False(t, timeline[1].Deleted, "replies outlive their root")
	})
}

func TestMessageDestinations(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		ctx := t.Context()
		for name, m := range map[string]webex.NewMessage{
			"no destination":   {Text: "x"},
			"two destinations": {RoomID: noc, ToPersonEmail: alice, Text: "x"},
			"no content":       {RoomID: noc},
		} {
			_, err := w.bot.CreateMessage(ctx, m)
			require.Equal(t, 400, refused(t, 400, err).Status, name)
		}
		_, err := w.bot.CreateMessage(ctx, webex.NewMessage{RoomID: RoomID("nowhere"), Text: "x"})
		refused(t, 404, err)
		_, err = w.bot.CreateMessage(ctx, webex.NewMessage{ToPersonEmail: "nobody@example.com", Text: "x"})
		refused(t, 404, err)
		m, err := w.bot.CreateMessage(ctx, webex.NewMessage{ToPersonEmail: "Mallory@Example.org", Text: "hi"})
		require.NoError(t, err)
		require.Equal(t, "direct", m.RoomType)
		require.Equal(t, DirectRoomID(DefaultBot, mallory), m.RoomID, "the direct chat is created")

		require.NoError(t, w.RemoveFromRoom("noc", DefaultBot))
		_, err = w.bot.CreateMessage(ctx, webex.NewMessage{RoomID: noc, Text: "x"})
		refused(t, 404, err)
		w.call(t, 404, "GET", "/rooms/"+noc, "", nil)
	})
}

func TestByteLimit(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		fits := strings.Repeat("ä", MaxMessageBytes/2) + "x"
		require.Len(t, fits, webex.MaxMessageBytes)
		m := w.say(t, fits)
		for _, over := range []webex.NewMessage{{RoomID: noc, Markdown: fits + "x"}, {RoomID: noc, Text: fits + "x", Markdown: "x"}} {
			_, err := w.bot.CreateMessage(t.Context(), over)
			refused(t, 400, err)
		}
		_, err := w.bot.EditMessage(t.Context(), m.ID, noc, fits+"x")
		refused(t, 400, err)
	})
}

func TestTenEdits(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		m := w.say(t, "open")
		for range webex.MaxEdits {
			time.Sleep(time.Second)
			edited, err := w.bot.EditMessage(t.Context(), m.ID, noc, "**edited**")
			require.NoError(t, err)
			require.Equal(t, m.Created, edited.Created)
			require.True(t, edited.Updated.After(m.Created.Time))
		}
		_, err := w.bot.EditMessage(t.Context(), m.ID, noc, "eleventh")
		refused(t, 400, err)
		view, ok := w.Message(m.ID)
		require.True(t, ok)
		require.Equal(t, 10, view.Edits)
		require.Equal(t, "edited", view.Text)

		_, err = w.bot.EditMessage(t.Context(), m.ID, db, "x")
		refused(t, 400, err)
		_, err = w.bot.EditMessage(t.Context(), w.say(t, "x").ID, noc, "")
		refused(t, 400, err)
	})
}

func TestMarkdownRendering(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		mention := `<spark-mention data-object-type="person" data-object-id="` + PersonID(alice) + `">Al</spark-mention>`
		all := `<spark-mention data-object-type="groupMention" data-group-type="all">All</spark-mention>`
		for _, tc := range []struct{ md, html, text string }{
			{"a  \nb\n\nc", "<p>a<br>\nb</p>\n<p>c</p>", "a\nb\nc"},
			{"- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>", "- a\n- b"},
			{"```sh\nls | wc\n```", "<pre><code class=\"language-sh\">ls | wc\n</code></pre>", "ls | wc"},
			{"[z](https://z.example/?a=1&b=2)", `<p><a href="https://z.example/?a=1&amp;b=2">z</a></p>`, "z"},
			{"[z](javascript:alert)", "<p>z</p>", "z"},
			{"![i](http://x.example/i.png)", "<p></p>", ""},
			{"see http://x.example now", `<p>see <a href="http://x.example">http://x.example</a> now</p>`, "see http://x.example now"},
			{"<b>x</b> &amp; <script>alert(1)</script>", "<p>&lt;b&gt;x&lt;/b&gt; &amp; &lt;script&gt;alert(1)&lt;/script&gt;</p>", "<b>x</b> & <script>alert(1)</script>"},
			{"<div onclick=x>\nhi", "<p>&lt;div onclick=x&gt;\nhi</p>", "<div onclick=x>\nhi"},
			{"hi <@personEmail:Alice@example.com|Al>", "<p>hi " + mention + "</p>", "hi Al"},
			{"hi <@personId:" + PersonID(alice) + "|Al>", "<p>hi " + mention + "</p>", "hi Al"},
			{"hi <@personEmail:bob@example.com>", `<p>hi <spark-mention data-object-type="person" data-object-id="` + PersonID(bob) + `">Bob Builder</spark-mention></p>`, "hi Bob Builder"},
			{"hi <@personEmail:eve@example.com|<b>>", "<p>hi &lt;b&gt;</p>", "hi <b>"},
			{"hi <@personEmail:eve@example.com>", "<p>hi eve@example.com</p>", "hi eve@example.com"},
			{"<@all> `<@all>` \\<@all>", "<p>" + all + " <code>" + all + "</code> \\" + all + "</p>", "All All \\All"},
			{mention + " x", "<p>" + mention + " x</p>", "Al x"},
			{"&lt;@all&gt;", "<p>&lt;@all&gt;</p>", "<@all>"},
			{"\uE0000\uE001", "<p>0</p>", "0"},
		} {
			m := w.say(t, tc.md)
			require.Equal(t, tc.html, m.HTML, tc.md)
			require.Equal(t, tc.text, m.Text, tc.md)
		}
		m := w.say(t, "<@personEmail:alice@example.com|A> <@personId:"+PersonID(alice)+"> <@all>")
		require.Equal(t, []string{PersonID(alice)}, m.MentionedPeople)
		view, _ := w.Message(m.ID)
		require.Equal(t, []string{"all", alice}, view.Mentions)
		m, err := w.bot.CreateMessage(t.Context(), webex.NewMessage{RoomID: noc, Text: "<@all> **x**"})
		require.NoError(t, err)
		require.Empty(t, m.HTML, "text is not rendered as markdown")
	})
}

// Text escaped by EscapeMarkdown can't mention or link.
func TestEscapedTextIsHarmless(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		nasty := "<@all> <@personEmail:alice@example.com|A> [x](http://evil.example) http://evil.example www.evil.example a@evil.example <a href=x>y</a> **b** `c` <spark-mention data-object-type=\"groupMention\" data-group-type=\"all\">All</spark-mention>"
		m := w.say(t, webex.EscapeMarkdown(nasty)+" `"+webex.EscapeCode(nasty)+"`")
		require.Equal(t, []string{"<p>", "<code>", "</code>", "</p>"}, regexp.MustCompile(`<[^>]*>`).FindAllString(m.HTML, -1))
		view, _ := w.Message(m.ID)
		require.Empty(t, view.Mentions)
	})
}

// In a group room a bot sees messages that mention it; in a direct chat all messages.
func TestABotReadsMentionsAndDirectMessages(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		ctx := t.Context()
		say := func(l Line) MessageView {
			time.Sleep(time.Second)
			m, err := w.Say(l)
			require.NoError(t, err)
			return m
		}
		chatter := say(Line{Room: "noc", From: alice, Text: "lunch?"})
		everybody := say(Line{Room: "noc", From: alice, Markdown: "<@all> lunch?"})
		toBot := say(Line{Room: "noc", From: alice, Text: "ack 4711 <b>&", MentionBot: true})
		inThread := say(Line{Room: "noc", From: bob, Markdown: "and **unack**", MentionBot: true, ParentID: toBot.ID})
		private := say(Line{Room: DirectRoomID(DefaultBot, alice), From: alice, Text: "my problems"})

		for _, m := range []MessageView{chatter, everybody} {
			_, err := w.bot.GetMessage(ctx, m.ID)
			refused(t, 404, err)
		}
		heard, err := w.bot.GetMessage(ctx, toBot.ID)
		require.NoError(t, err)
		require.Equal(t, "Relay ack 4711 <b>&", heard.Text)
		require.Equal(t, `<p><spark-mention data-object-type="person" data-object-id="`+PersonID(DefaultBot)+`">Relay</spark-mention> ack 4711 &lt;b&gt;&amp;</p>`, heard.HTML)
		require.Equal(t, []string{PersonID(DefaultBot)}, heard.MentionedPeople)

		list := func(query string) (ids []string) {
			var found struct{ Items []webex.Message }
			w.call(t, 200, "GET", "/messages?"+query, "", &found)
			for _, m := range found.Items {
				ids = append(ids, m.ID)
			}
			return ids
		}
		w.call(t, 403, "GET", "/messages?roomId="+noc, "", nil)
		require.Equal(t, []string{inThread.ID, toBot.ID}, list("mentionedPeople=me&roomId="+noc), "the newest first")
		require.Equal(t, []string{inThread.ID}, list("mentionedPeople=me&roomId="+noc+"&parentId="+toBot.ID))
		require.Equal(t, private.ID, list("roomId=" + DirectRoomID(DefaultBot, alice))[0])
		w.call(t, 404, "GET", "/messages?mentionedPeople=me&roomId="+RoomID("nowhere"), "", nil)

		_, err = w.Say(Line{Room: "db", From: mallory, Text: "x"})
		require.Error(t, err, "a person who isn't in the room can't post there")
	})
}

func TestListsArePaged(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		rooms, err := w.bot.Rooms(t.Context())
		require.NoError(t, err)
		for i := range 230 - len(rooms) {
			w.AddRoom(fmt.Sprintf("room %d", i), "One of many", DefaultBot)
		}
		before := w.Stats().Calls["GET /rooms"]
		found, err := w.bot.Rooms(t.Context())
		require.NoError(t, err)
		require.Len(t, found, 230)
		ids := map[string]bool{}
		for _, m := range found {
			ids[m.ID] = true
		}
		require.Len(t, ids, 230)
		require.Equal(t, 3, w.Stats().Calls["GET /rooms"]-before)
	})
}

// Direct chats are listed by when somebody last wrote in them, the latest first.
func TestDirectChatsByActivity(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		var order []string
		for _, email := range []string{alice, mallory, alice} {
			time.Sleep(time.Second)
			w.Direct(DefaultBot, email)
			_, err := w.Say(Line{Room: DirectRoomID(DefaultBot, email), From: email, Text: "hello"})
			require.NoError(t, err)
			found, err := w.bot.DirectRooms(t.Context())
			require.NoError(t, err)
			require.Equal(t, "direct", found[0].Type)
			require.Equal(t, time.Now().UTC().Truncate(time.Millisecond), found[0].LastActivity.UTC())
			order = append(order, found[0].ID)
		}
		require.Equal(t, []string{DirectRoomID(DefaultBot, alice), DirectRoomID(DefaultBot, mallory), DirectRoomID(DefaultBot, alice)}, order)
	})
}

func TestPeopleRoomsAndMemberships(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		ctx := t.Context()
		me, err := w.bot.Me(ctx)
		require.NoError(t, err)
		require.Equal(t, webex.Person{ID: PersonID(DefaultBot), Emails: []string{DefaultBot}, DisplayName: "Relay", NickName: "Relay", Type: "bot"}, me)
		var found struct{ Items []webex.Person }
		w.call(t, 200, "GET", "/people?email=ALICE@example.com", "", &found)
		require.Len(t, found.Items, 1)
		person, err := w.bot.GetPerson(ctx, found.Items[0].ID)
		require.NoError(t, err)
		require.Equal(t, "person", person.Type)
		require.Equal(t, alice, person.Email())
		w.call(t, 200, "GET", "/people?email=nobody@example.com", "", &found)
		require.Empty(t, found.Items)
		w.call(t, 400, "GET", "/people?email=", "", nil)
		_, err = w.bot.GetPerson(ctx, "x")
		refused(t, 404, err)

		rooms, err := w.bot.Rooms(ctx)
		require.NoError(t, err)
		require.Len(t, rooms, 6)
		require.Equal(t, "Alice Archer", rooms[3].Title, "a direct chat has the name of the other person")
		var room webex.Room
		w.call(t, 200, "POST", "/rooms", `{"title":"db1: disk full"}`, &room)
		require.Equal(t, "group", room.Type)
		w.call(t, 400, "POST", "/rooms", `{"title":" "}`, nil)
		_, ok := webex.SpaceLink(room.ID)
		require.True(t, ok, "the id has Webex's form")

		add := func(status int, room, email string) {
			w.call(t, status, "POST", "/memberships", `{"roomId":"`+room+`","personEmail":"`+email+`"}`, nil)
		}
		add(200, room.ID, alice)
		add(409, room.ID, alice)
		add(404, room.ID, "nobody@example.com")
		add(403, DirectRoomID(DefaultBot, alice), bob)
		var members struct {
			Items []struct {
				ID          string
				IsModerator bool
			}
		}
		w.call(t, 200, "GET", "/memberships?roomId="+room.ID, "", &members)
		require.Len(t, members.Items, 2)
		require.True(t, members.Items[0].IsModerator)
		w.call(t, 204, "DELETE", "/memberships/"+members.Items[1].ID, "", nil)
		w.call(t, 404, "DELETE", "/memberships/"+members.Items[1].ID, "", nil)
		w.call(t, 404, "GET", "/memberships?roomId="+RoomID("nowhere"), "", nil)
	})
}

func TestTokens(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		require.NoError(t, w.SetToken(DefaultBot, ""))
		_, err := w.bot.Me(t.Context())
		require.Equal(t, webex.Unauthorized, refused(t, 401, err).Class())
		require.NoError(t, w.SetToken(DefaultBot, DefaultBotToken))
		_, err = w.bot.Me(t.Context())
		require.NoError(t, err)
	})
}

// raw makes a request that the client can't.
func (w *world) raw(t *testing.T, method, path, ctype, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://webex.test"+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+DefaultBotToken)
	if ctype != "" {
		req.Header.Set("Content-Type", ctype)
	}
	resp, err := (&http.Client{Transport: w.transport}).Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp
}

func TestInvalidRequests(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		for _, tc := range []struct {
			method, path, ctype, body string
			status                    int
		}{
			{"PATCH", "/v1/messages", "application/json", "{}", 405},
			{"DELETE", "/v1/rooms", "", "", 405},
			{"GET", "/v1/teams", "", "", 404},
			{"GET", "/v2/messages", "", "", 404},
			{"POST", "/v1/messages", "text/plain", "x", 415},
			{"POST", "/v1/messages", "application/json", "[]", 400},
			{"POST", "/v1/messages", "application/json", "{", 400},
			{"POST", "/v1/messages", "application/json", `"` + strings.Repeat("x", 2<<20) + `"`, 413},
			{"POST", "/v1/messages", "multipart/form-data; boundary=b", "--b\r\nx", 400},
			{"GET", "/v1/messages", "", "", 400},
			{"GET", "/v1/rooms?max=0", "", "", 400},
			{"GET", "/v1/rooms?max=1001", "", "", 400},
			{"GET", "/v1/rooms?cursor=x", "", "", 400},
			{"GET", "/v1/rooms?type=x", "", "", 400},
			{"GET", "/v1/rooms?sortBy=x", "", "", 400},
		} {
			resp := w.raw(t, tc.method, tc.path, tc.ctype, tc.body)
			require.Equal(t, tc.status, resp.StatusCode, tc.method+" "+tc.path)
			require.NotEmpty(t, resp.Header.Get("TrackingID"))
			require.Contains(t, resp.Header.Get("Content-Type"), "application/json")
		}
	})
}

// The default world works over a real socket.
func TestOverTCP(t *testing.T) {
	s := NewDefault(Options{})
	defer s.Close()
	server := httptest.NewServer(s)
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	bot := webex.New(webex.Options{BaseURL: server.URL + "/v1", Token: DefaultBotToken, Transport: transport})

	// A webhook's target is on this machine.
	got := make(chan string, 1)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got <- r.Header.Get("X-Spark-Signature") }))
	defer target.Close()
	_, err := bot.CreateWebhook(t.Context(), webex.Webhook{Name: "n", TargetURL: target.URL, Resource: "messages", Event: "created", Secret: "s"})
	require.NoError(t, err)
	_, err = s.Say(Line{Room: "noc", From: alice, Text: "help", MentionBot: true})
	require.NoError(t, err)
	require.NotEmpty(t, <-got)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, s.Wait(ctx, func(st State) bool { return len(st.Room("noc").Messages) == 1 }))
	_, _, err = net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
}
