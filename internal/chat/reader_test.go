package chat

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"nms-alert-relay/internal/command"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeWebex answers from maps, or with an error.
type fakeWebex struct {
	mu       sync.Mutex
	fails    map[string][]error // the errors of the next reads, by id
	messages map[string]webex.Message
	actions  map[string]webex.AttachmentAction
	people   map[string]webex.Person
	err      error
	asked    int // GetPerson calls
	hooks    []webex.Webhook
}

func (f *fakeWebex) Me(context.Context) (webex.Person, error) { return relayBot, f.err }

// failNext lets the next reads of an id fail.
func (f *fakeWebex) failNext(id string, errs ...error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails[id] = append(f.fails[id], errs...)
}

func lookup[T any](f *fakeWebex, m map[string]T, id string) (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if errs := f.fails[id]; len(errs) > 0 {
		f.fails[id] = errs[1:]
		var none T
		return none, errs[0]
	}
	v, ok := m[id]
	switch {
	case f.err != nil:
		var none T
		return none, f.err
	case !ok:
		return v, &webex.Error{Status: 404, Message: "not found"}
	}
	return v, nil
}

func (f *fakeWebex) GetMessage(_ context.Context, id string) (webex.Message, error) {
	return lookup(f, f.messages, id)
}

func (f *fakeWebex) GetAttachmentAction(_ context.Context, id string) (webex.AttachmentAction, error) {
	return lookup(f, f.actions, id)
}

func (f *fakeWebex) GetPerson(_ context.Context, id string) (webex.Person, error) {
	f.mu.Lock()
	f.asked++
	f.mu.Unlock()
	return lookup(f, f.people, id)
}

func (f *fakeWebex) Webhooks(context.Context) ([]webex.Webhook, error) { return f.hooks, f.err }

func (f *fakeWebex) CreateWebhook(_ context.Context, w webex.Webhook) (webex.Webhook, error) {
	return w, f.err
}

func (f *fakeWebex) UpdateWebhook(_ context.Context, w webex.Webhook) (webex.Webhook, error) {
	return w, f.err
}
func (f *fakeWebex) DeleteWebhook(context.Context, string) error { return f.err }

func (f *fakeWebex) DirectRooms(context.Context) ([]webex.Room, error) { return nil, f.err }

func (f *fakeWebex) Messages(context.Context, string, bool, func([]webex.Message) bool) error {
	return f.err
}

func person(id, email, name string) webex.Person {
	return webex.Person{ID: personID(id), Emails: []string{email}, DisplayName: name, Type: "person"}
}

func settings() *config.Config {
	return &config.Config{
		Rooms:          []config.Room{{Name: "noc", ID: "ROOM-noc", Bot: "noc"}, {Name: "other", ID: "ROOM-other", Bot: "otherbot"}, {Name: "dm", ID: "ROOM-dm", Bot: "noc"}},
		People:         []config.Person{{Domain: "example.com", Role: config.RoleOperator}},
		AllowedDomains: []string{"example.com"},
	}
}

func newReader(f *fakeWebex) (*Reader, *Metrics) {
	m := NewMetrics(prometheus.NewRegistry(), []string{"noc"})
	cfg := settings()
	return NewReader([]Bot{{Name: "noc", Listen: config.ListenWebhook, Webex: f}, {Name: "deaf", Listen: config.ListenOff, Webex: f}}, func() Directory { return cfg }, m), m
}

func envelope(resource, id string) webex.Envelope {
	return webex.Envelope{Resource: resource, Event: "created", Data: webex.EnvelopeData{ID: id}}
}

func newFake() *fakeWebex {
	alice, bot2 := person("a11ce", "Alice@Example.com", "Alice Example"), person("b2", "other@webex.bot", "Other")
	typed := person("b3", "robot@example.com", "Robot")
	typed.Type = "bot"
	return &fakeWebex{
		fails:  map[string][]error{},
		people: map[string]webex.Person{alice.ID: alice, bot2.ID: bot2, typed.ID: typed, personID("e"): person("e", "eve@elsewhere.org", "Eve"), personID("n"): {ID: personID("n"), Type: "person"}},
		messages: map[string]webex.Message{
			"M1":     {ID: "M1", RoomID: "ROOM-noc", RoomType: "group", PersonID: alice.ID, PersonEmail: "eve@elsewhere.org", ParentID: "ROOT", HTML: mention(relayBot.ID, "Alert") + " ack 4711"},
			"DIRECT": {ID: "DIRECT", RoomID: "ROOM-x", RoomType: "direct", PersonID: alice.ID, Text: "help"},
			"DM":     {ID: "DM", RoomID: "ROOM-dm", RoomType: "direct", PersonID: alice.ID, Text: "help"},
			"OWN":    {ID: "OWN", RoomID: "ROOM-x", RoomType: "direct", PersonID: relayBot.ID, Text: "an answer"},
			"BOT":    {ID: "BOT", RoomID: "ROOM-noc", RoomType: "group", PersonID: bot2.ID},
			"TYPED":  {ID: "TYPED", RoomID: "ROOM-noc", RoomType: "group", PersonID: typed.ID},
			"EVE":    {ID: "EVE", RoomID: "ROOM-noc", RoomType: "group", PersonID: personID("e"), PersonEmail: "alice@example.com"},
			"NOBODY": {ID: "NOBODY", RoomID: "ROOM-noc", RoomType: "group", PersonID: personID("n"), PersonEmail: "alice@example.com"},
			"ROOM":   {ID: "ROOM", RoomID: "ROOM-unknown", RoomType: "group", PersonID: alice.ID},
			"OTHERS": {ID: "OTHERS", RoomID: "ROOM-other", RoomType: "group", PersonID: alice.ID},
			"CARD-x": {ID: "CARD-x", RoomID: "ROOM-x", RoomType: "direct", PersonID: relayBot.ID},
			"CARD-u": {ID: "CARD-u", RoomID: "ROOM-unknown", RoomType: "group", PersonID: relayBot.ID},
		},
		actions: map[string]webex.AttachmentAction{
			"A1":      {ID: "A1", MessageID: "CARD", RoomID: "ROOM-noc", PersonID: alice.ID, Inputs: map[string]any{"relay": 1.0, "action": "ack", "key": "main/4711", "comment": "on it"}},
			"ADIRECT": {ID: "ADIRECT", MessageID: "CARD-x", RoomID: "ROOM-x", PersonID: alice.ID, Inputs: map[string]any{"relay": "1", "action": "ack", "key": "main/4711"}},
			"AROOM":   {ID: "AROOM", MessageID: "CARD-u", RoomID: "ROOM-unknown", PersonID: alice.ID, Inputs: map[string]any{"relay": 1.0}},
			"ALIAR":   {ID: "ALIAR", MessageID: "CARD-x", RoomID: "ROOM-unknown", PersonID: alice.ID, Inputs: map[string]any{"relay": 1.0}},
			"AFOREIN": {ID: "AFOREIN", MessageID: "CARD", RoomID: "ROOM-noc", PersonID: alice.ID, Inputs: map[string]any{"action": "ack"}},
			"AODD":    {ID: "AODD", MessageID: "CARD", RoomID: "ROOM-noc", PersonID: alice.ID, Inputs: map[string]any{"relay": 1.0, "action": []any{1}, "key": 7.0}},
			"AEVE":    {ID: "AEVE", MessageID: "CARD", RoomID: "ROOM-noc", PersonID: personID("e"), Inputs: map[string]any{"relay": 1.0}},
		},
	}
}

var heardAlice = command.Person{ID: personID("a11ce"), Name: "Alice Example", Email: "alice@example.com"}

// The words and the person are read from Webex, not from the delivery.
func TestHear(t *testing.T) {
	r, _ := newReader(newFake())
	for id, want := range map[string]command.Input{
		"M1":      {Text: "ack 4711", Room: "noc", RoomID: "ROOM-noc", ParentID: "ROOT", Person: heardAlice},
		"DIRECT":  {Text: "help", RoomID: "ROOM-x", Direct: true, Person: heardAlice},
		"DM":      {Text: "help", Room: "dm", RoomID: "ROOM-dm", Direct: true, Person: heardAlice},
		"A1":      {Button: &command.Button{Action: "ack", Key: "main/4711", Comment: "on it", MessageID: "CARD"}, Room: "noc", RoomID: "ROOM-noc", ParentID: "CARD", Person: heardAlice},
		"ADIRECT": {Button: &command.Button{Action: "ack", Key: "main/4711", MessageID: "CARD-x"}, RoomID: "ROOM-x", Direct: true, ParentID: "CARD-x", Person: heardAlice},
		"AODD":    {Button: &command.Button{MessageID: "CARD"}, Room: "noc", RoomID: "ROOM-noc", ParentID: "CARD", Person: heardAlice},
	} {
		resource := "messages"
		if id[0] == 'A' {
			resource = "attachmentActions"
		}
		got, err := r.Read(t.Context(), store.Command{ID: id, Bot: "noc"}, envelope(resource, id))
		require.NoError(t, err, id)
		require.Equal(t, want, got, id)
	}
}

// Each reason to ignore a message.
func TestIgnoredReasons(t *testing.T) {
	f := newFake()
	r, m := newReader(f)
	for id, reason := range map[string]string{
		"OWN": ignoredOwn, "BOT": ignoredBot, "TYPED": ignoredBot, "EVE": ignoredPerson, "NOBODY": ignoredPerson, "ROOM": ignoredRoom, "OTHERS": ignoredRoom,
		"AROOM": ignoredRoom, "ALIAR": ignoredRoom, "AFOREIN": ignoredCard, "AEVE": ignoredPerson,
	} {
		resource := "messages"
		if id[0] == 'A' {
			resource = "attachmentActions"
		}
		before := testutil.ToFloat64(m.ignored.WithLabelValues("noc", reason))
		_, err := r.Read(t.Context(), store.Command{ID: id, Bot: "noc"}, envelope(resource, id))
		require.Equal(t, reason, unread(t, err).ignored, id)
		require.InDelta(t, before+1, testutil.ToFloat64(m.ignored.WithLabelValues("noc", reason)), 0)
	}
	_, err := r.Read(t.Context(), store.Command{Bot: "noc"}, envelope("rooms", "R"))
	require.ErrorContains(t, err, "resource")
	_, err = r.Read(t.Context(), store.Command{Bot: "gone"}, envelope("messages", "M1"))
	require.ErrorContains(t, err, "is no longer configured")
}

// unread is err as an *unreadError.
func unread(t *testing.T, err error) *unreadError {
	t.Helper()
	var u *unreadError
	require.ErrorAs(t, err, &u)
	return u
}

// A failed read is retried soon, after Retry-After, or with backoff, or given up with a reply in a room that
// the bot serves.
func TestReadFailures(t *testing.T) {
	f := newFake()
	r, _ := newReader(f)
	read := func(room string, attempts int, from string) error {
		e := envelope("messages", "M1")
		e.Data.PersonEmail = from
		_, err := r.Read(t.Context(), store.Command{ID: "M1", Bot: "noc", RoomID: room, Attempts: attempts}, e)
		return err
	}
	require.NoError(t, read("ROOM-noc", 0, "")) // the bot's own account is cached now
	refusals := []string{ignoredGone, ignoredRefused}
	for _, status := range []int{400, 403, 404, 405, 409, 410, 451} {
		f.err = &webex.Error{Status: status, Message: "Failed to get activity.", TrackingID: "T"}
		if webex.ClassOf(f.err) == webex.Temporary {
			t.Fatalf("%d is Webex's own refusal", status)
		}
		require.Equal(t, 500*time.Millisecond, unread(t, read("ROOM-noc", 0, "")).after, "%d", status)
		require.Equal(t, 8*time.Second, unread(t, read("ROOM-noc", maxRefusals-1, "")).after)
		require.NotEmpty(t, unread(t, read("ROOM-noc", maxRefusals, "")).final, "%d: the room gets a reply", status)
		require.NotEmpty(t, unread(t, read("ROOM-noc", maxRefusals, "alice@example.com")).final)
		require.Contains(t, refusals, unread(t, read("ROOM-noc", maxRefusals, "eve@elsewhere.org")).ignored, "%d: strangers get no reply", status)
		for _, room := range []string{"ROOM-unknown", "ROOM-other", "ROOM-x", ""} {
			require.Positive(t, unread(t, read(room, 0, "")).after, room)
			require.Contains(t, refusals, unread(t, read(room, maxRefusals, "")).ignored, "%d: rooms of other bots get no reply", status)
		}
	}
	f.err = &webex.Error{Status: 429, RetryAfter: 7 * time.Second}
	require.Equal(t, 7*time.Second, unread(t, read("ROOM-noc", 0, "")).after)
	for _, temporary := range []error{&webex.Error{Status: 502}, &webex.Error{Status: 423}, &webex.Error{Status: 401}, errors.New("network")} {
		f.err = temporary
		require.Equal(t, temporary, read("ROOM-noc", 99, ""))
	}
}

// Each of the reads that a command needs is retried.
func TestEveryReadIsRetried(t *testing.T) {
	for name, c := range map[string]struct {
		resource, id string
		damage       func(f *fakeWebex)
	}{
		"the message": {"messages", "M1", func(f *fakeWebex) { delete(f.messages, "M1") }},
		"the person":  {"messages", "M1", func(f *fakeWebex) { delete(f.people, personID("a11ce")) }},
		"the press":   {"attachmentActions", "A1", func(f *fakeWebex) { delete(f.actions, "A1") }},
		"who pressed": {"attachmentActions", "A1", func(f *fakeWebex) { delete(f.people, personID("a11ce")) }},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			c.damage(f)
			r, _ := newReader(f)
			read := func(attempts int) error {
				_, err := r.Read(t.Context(), store.Command{ID: c.id, Bot: "noc", RoomID: "ROOM-noc", Attempts: attempts}, envelope(c.resource, c.id))
				return err
			}
			require.Positive(t, unread(t, read(0)).after)
			require.NotEmpty(t, unread(t, read(maxRefusals)).final)
		})
	}
}

// All of a person's addresses count. They act under the one that the configuration names, whatever the
// order.
func TestAllAddressesCount(t *testing.T) {
	for name, c := range map[string]struct {
		emails []string
		want   string // "" for somebody the relay doesn't listen to
	}{
		"the second is named":           {[]string{"old@example.com", "named@example.com"}, "named@example.com"},
		"the first is named":            {[]string{"named@example.com", "old@example.com"}, "named@example.com"},
		"case and spaces":               {[]string{"OLD@Example.com", " Named@Example.COM "}, "named@example.com"},
		"one outside, one in a domain":  {[]string{"x@elsewhere.org", "x@example.com"}, "x@example.com"},
		"one in a domain, one outside":  {[]string{"x@example.com", "x@elsewhere.org"}, "x@example.com"},
		"two of one domain":             {[]string{"b@example.com", "a@example.com"}, "a@example.com"},
		"two of one domain, reversed":   {[]string{"a@example.com", "b@example.com"}, "a@example.com"},
		"plus addressing is another":    {[]string{"named+x@example.com", "other@example.com"}, "named+x@example.com"},
		"all outside":                   {[]string{"x@elsewhere.org", "y@elsewhere.net"}, ""},
		"none":                          {nil, ""},
		"empty":                         {[]string{"", " "}, ""},
		"no address at all":             {[]string{"example.com", "@example.com"}, ""},
		"a bot's address among others":  {[]string{"x@example.com", "x@webex.bot"}, ""},
		"look-alike of an allowed name": {[]string{"x@example.com.evil.org"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.people[personID("a11ce")] = webex.Person{ID: personID("a11ce"), DisplayName: "Alice", Type: "person", Emails: c.emails}
			r, _ := newReader(f)
			cfg := settings()
			cfg.People = append(cfg.People, config.Person{Email: "named@example.com", Role: config.RoleAdmin})
			r.directory = func() Directory { return cfg }
			got, err := r.Read(t.Context(), store.Command{ID: "M1", Bot: "noc"}, envelope("messages", "M1"))
			if c.want == "" {
				require.Contains(t, []string{ignoredPerson, ignoredBot}, unread(t, err).ignored)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got.Person.Email)
			require.Len(t, got.Person.Also, len(c.emails)-1)
			require.NotContains(t, got.Person.Also, c.want)
		})
	}
}

// Rooms are recognised by all spellings of their ids, in the configuration and from Webex.
func TestRoomIDSpellings(t *testing.T) {
	const uuid = "52bcf5df-1f44-5574-b5a3-0696bd09baaa"
	id := func(cluster string) string {
		return base64.RawURLEncoding.EncodeToString([]byte("ciscospark://" + cluster + "/ROOM/" + uuid))
	}
	spellings := []string{id("us"), id("us") + "=", id("urn:TEAM:us-west-2_r"), uuid, strings.ToUpper(uuid), "webexteams://im?space=" + uuid}
	for _, configured := range spellings {
		for _, said := range spellings {
			f := newFake()
			r, m := newReader(f)
			cfg := settings()
			cfg.Rooms[0].ID = configured
			r.directory = func() Directory { return cfg }
			message := f.messages["M1"]
			message.RoomID = said
			f.messages["M1"] = message
			got, err := r.Read(t.Context(), store.Command{ID: "M1", Bot: "noc"}, envelope("messages", "M1"))
			require.NoError(t, err)
			require.Equal(t, "noc", got.Room)
			in := NewInbox(InboxOptions{Reader: r, Log: slog.New(slog.DiscardHandler), Metrics: m})
			e := envelope("messages", "M1")
			e.Data.RoomType, e.Data.RoomID = "group", said
			require.Empty(t, in.ignorable("noc", e))
		}
	}
}

// A person's record is read once per recordTTL.
func TestPeopleAreCached(t *testing.T) {
	f := newFake()
	r, _ := newReader(f)
	for range 3 {
		_, err := r.Read(t.Context(), store.Command{Bot: "noc"}, envelope("messages", "M1"))
		require.NoError(t, err)
	}
	require.Equal(t, 1, f.asked)
	r.people.known[personID("a11ce")] = record{f.people[personID("a11ce")], time.Now().Add(-recordTTL)}
	_, err := r.Read(t.Context(), store.Command{Bot: "noc"}, envelope("messages", "M1"))
	require.NoError(t, err)
	require.Equal(t, 2, f.asked)
}

// claims is a store of commands and values.
type claims struct {
	mu     sync.Mutex
	ids    map[string]store.Command
	order  []string // of the claims
	values map[string]string
	err    error
	broken error // of every command's record

	cards     []store.Notice
	personal  int // 1: Alice's direct chat has a card of a problem
	notices   []string
	noNotices error // of AddNotice
}

func (c *claims) ClaimCommand(_ context.Context, cmd store.Command) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return false, c.err
	}
	if _, known := c.ids[cmd.ID]; known {
		return false, nil
	}
	c.ids[cmd.ID], c.order = cmd, append(c.order, cmd.ID)
	return true, nil
}

func (c *claims) Command(_ context.Context, id string) (store.Command, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cmd, ok := c.ids[id]
	if !ok {
		return store.Command{}, store.ErrNotFound
	}
	return cmd, c.broken
}

func (c *claims) Value(_ context.Context, name string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.values[name]; ok {
		return v, nil
	}
	return "", store.ErrNotFound
}

func (c *claims) CardRooms(context.Context) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return []string{"noc", config.PersonRoom + "alice@example.com"}[:1+c.personal], c.err
}

func (c *claims) CardNotices(context.Context, time.Time) ([]store.Notice, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cards, c.err
}

func (c *claims) RecentCommands(context.Context, time.Time, time.Time) ([]store.Command, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.ids)), c.err
}

func (c *claims) AddNotice(_ context.Context, n store.Notice) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.noNotices != nil {
		return 0, c.noNotices
	}
	c.notices = append(c.notices, n.Markdown)
	return int64(len(c.notices)), c.err
}

func (c *claims) SetValue(_ context.Context, name, value string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	c.values[name] = value
	return nil
}

func (c *claims) SaveCommand(_ context.Context, cmd store.Command) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids[cmd.ID] = cmd
	return nil
}

func (c *claims) UnfinishedCommands(context.Context) (out []store.Command, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range c.order {
		if c.ids[id].State == store.CommandReceived {
			out = append(out, c.ids[id])
		}
	}
	return out, nil
}

func (c *claims) command(id string) store.Command {
	cmd, _ := c.Command(context.Background(), id)
	return cmd
}

// newListener makes a listener whose inbox isn't running.
func newListener(r *Reader, c *claims, m *Metrics, log *slog.Logger) *Listener {
	inbox := NewInbox(InboxOptions{Reader: r, Store: c, Expiry: func() time.Duration { return time.Hour }, Log: log, Metrics: m})
	return New(Options{Reader: r, Inbox: inbox, Store: c, PublicURL: func() string { return public }, Log: log, Metrics: m})
}

// A delivery is checked and stored before it is answered with 2xx.
func TestDeliver(t *testing.T) {
	f := newFake()
	r, m := newReader(f)
	_, err := r.Me(t.Context(), "noc")
	require.NoError(t, err)
	c := &claims{ids: map[string]store.Command{}, values: map[string]string{secretName("noc"): "s3cret"}}
	l := newListener(r, c, m, slog.New(slog.DiscardHandler))
	deliver := func(bot, body, secret string) int {
		h := http.Header{}
		if secret != "" {
			h.Set("X-Spark-Signature", webex.Sign(secret, []byte(body)))
		}
		return l.Deliver(t.Context(), bot, h, []byte(body))
	}
	const alice = `{"id":"W","resource":"messages","event":"created","data":{"id":"M1","roomId":"ROOM-noc","roomType":"group","personId":"P","personEmail":"alice@example.com"}}`
	require.Equal(t, 404, deliver("nobody", alice, "s3cret"))
	require.Equal(t, 404, deliver("deaf", alice, "s3cret"))
	require.Equal(t, 401, deliver("noc", alice, ""))
	require.Equal(t, 401, deliver("noc", alice, "wrong"))
	_, suspect := l.suspects.LoadAndDelete("noc")
	require.True(t, suspect, "the next repair sets the secret again")
	require.Equal(t, 400, deliver("noc", "{", "s3cret"))
	require.Equal(t, 400, deliver("noc", `{"data":{}}`, "s3cret"))
	require.Empty(t, c.ids)

	require.Equal(t, 200, deliver("noc", alice, "s3cret"))
	require.Equal(t, 200, deliver("noc", alice, "s3cret"), "Webex redelivers")
	require.Equal(t, []string{"M1"}, c.order, "it is carried out once")
	kept := c.ids["M1"]
	require.Equal(t, store.CommandReceived, kept.State)
	require.Contains(t, string(kept.Detail), `"roomId":"ROOM-noc"`)
	require.InDelta(t, 1, testutil.ToFloat64(m.webhooks.WithLabelValues("noc", resultDuplicate)), 0)

	for _, ignored := range []string{
		`{"resource":"memberships","event":"created","data":{"id":"X"}}`,
		`{"resource":"messages","event":"deleted","data":{"id":"X"}}`,
		`{"resource":"messages","event":"created","data":{"id":"X","personId":"` + relayBot.ID + `"}}`,
		`{"resource":"messages","event":"created","data":{"id":"X","roomType":"direct","personEmail":"other@webex.bot"}}`,
		`{"resource":"messages","event":"created","data":{"id":"X","roomId":"R","roomType":"group","personEmail":"alice@example.com"}}`,
		`{"resource":"attachmentActions","event":"updated","data":{"id":"X"}}`,
	} {
		require.Equal(t, 200, deliver("noc", ignored, "s3cret"), ignored)
	}
	require.Len(t, c.ids, 1)
	// A stranger may have another address that is allowed, which only their record shows.
	eve := `{"resource":"messages","event":"created","data":{"id":"X","roomType":"direct","personId":"` + personID("e") + `","personEmail":"eve@elsewhere.org"}}`
	require.Equal(t, 200, deliver("noc", eve, "s3cret"))
	require.Len(t, c.ids, 2)
	_, err = r.people.get(t.Context(), f, personID("e"))
	require.NoError(t, err)
	require.Equal(t, 200, deliver("noc", strings.ReplaceAll(eve, `"X"`, `"Y"`), "s3cret"))
	require.Len(t, c.ids, 2, "a stranger costs one read per recordTTL")
	c.order = c.order[:1]

	c.err = store.ErrBusy
	require.Equal(t, 503, deliver("noc", `{"resource":"messages","event":"created","data":{"id":"M2","roomType":"direct"}}`, "s3cret"))
	require.Equal(t, []string{"M1"}, c.order, "a command that can't be stored isn't executed")
}

// Without a secret nothing is accepted.
func TestDeliverWithoutSecret(t *testing.T) {
	r, m := newReader(newFake())
	c := &claims{ids: map[string]store.Command{}, values: map[string]string{}}
	l := newListener(r, c, m, slog.New(slog.DiscardHandler))
	h := http.Header{"X-Spark-Signature": {webex.Sign("", []byte("{}"))}}
	require.Equal(t, 401, l.Deliver(t.Context(), "noc", h, []byte("{}")))
}

// Only the buttons of the relay's own cards count, by their mark.
func TestButtonsOfOtherCards(t *testing.T) {
	for mark, ours := range map[any]bool{1.0: true, "1": true, 2.0: false, "2": false, "": false, true: false, nil: false} {
		_, got := buttonOf(webex.AttachmentAction{Inputs: map[string]any{"relay": mark, "action": "ack", "key": "main/4711"}})
		require.Equal(t, ours, got, "%v", mark)
	}
}

// Every value of a press is read; what isn't text counts as absent.
func TestValuesOfAPress(t *testing.T) {
	press := webex.AttachmentAction{MessageID: "CARD", Inputs: map[string]any{
		"relay": 1.0, "action": "suppress", "key": "main/4711", "value": "1h", "comment": "on it", "for": "2d", "severity": "high", "other": "x",
	}}
	got, _ := buttonOf(press)
	require.Equal(t, command.Button{Action: "suppress", Key: "main/4711", Value: "1h", Comment: "on it", For: "2d", Severity: "high", MessageID: "CARD"}, got)
	got, _ = buttonOf(webex.AttachmentAction{MessageID: "CARD", Inputs: map[string]any{"relay": 1.0, "action": []any{"ack"}, "value": 7.0, "for": map[string]any{}, "severity": true}})
	require.Equal(t, command.Button{MessageID: "CARD"}, got)
}

// The people whom an assignment mentions come from Webex's own record. Other messages cost no reads.
func TestMentionedPeople(t *testing.T) {
	f := newFake()
	bob, alice, eve, robot, hidden := personID("b0b"), personID("a11ce"), personID("e"), personID("b3"), personID("gone")
	f.people[bob] = person("b0b", "Bob@Example.com", "Bob Baker")
	said := mention(relayBot.ID, "Alert") + " assign 4711 " + mention(bob, "Bob") + " <blockquote>" + mention(alice, "Alice") + "</blockquote>" + mention(eve, "Eve") + mention(robot, "Robot") + mention(hidden, "Gone") +
		`<spark-mention data-object-type="groupMention" data-group-type="all">All</spark-mention>`
	f.messages["ASSIGN"] = webex.Message{ID: "ASSIGN", RoomID: "ROOM-noc", RoomType: "group", PersonID: alice, HTML: said}
	f.messages["COMMENT"] = webex.Message{ID: "COMMENT", RoomID: "ROOM-noc", RoomType: "group", PersonID: alice, HTML: strings.ReplaceAll(said, "assign", "comment")}
	r, _ := newReader(f)
	in, err := r.Read(t.Context(), store.Command{Bot: "noc"}, envelope(resourceMessages, "COMMENT"))
	require.NoError(t, err)
	require.Empty(t, in.Mentions)
	require.Equal(t, 1, f.asked)
	in, err = r.Read(t.Context(), store.Command{Bot: "noc"}, envelope(resourceMessages, "ASSIGN"))
	require.NoError(t, err)
	require.Equal(t, []command.Mention{
		{Written: "Bob", Person: command.Person{ID: bob, Name: "Bob Baker", Email: "bob@example.com"}},
		{Written: "Eve", Person: command.Person{ID: eve, Name: "Eve", Email: "eve@elsewhere.org"}},
		{Written: "Robot", Person: command.Person{ID: robot, Name: "Robot"}},
		{Written: "Gone", Person: command.Person{ID: hidden}},
	}, in.Mentions)

	f.failNext(hidden, &webex.Error{Status: http.StatusBadGateway})
	_, err = r.Read(t.Context(), store.Command{Bot: "noc"}, envelope(resourceMessages, "ASSIGN"))
	require.Error(t, err, "it is read again later")
}

// Somebody whom Webex doesn't know any more, or to whom the relay doesn't listen, isn't known. An error says nothing.
func TestKnown(t *testing.T) {
	f := newFake()
	r, _ := newReader(f)
	for bot, id := range map[string]string{"noc": "a11ce", "removed": "a11ce"} {
		who, found, err := r.Known(t.Context(), bot, personID(id))
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, command.Person{ID: personID(id), Name: "Alice Example", Email: "alice@example.com"}, who)
	}
	for _, id := range []string{"e", "n", "gone"} {
		_, found, err := r.Known(t.Context(), "noc", personID(id))
		require.NoError(t, err)
		require.False(t, found, id)
	}
	f.failNext(personID("a11ce"), &webex.Error{Status: 502})
	_, _, err := r.Known(t.Context(), "noc", personID("a11ce"))
	require.Error(t, err)
	r.setBots(nil)
	_, _, err = r.Known(t.Context(), "noc", personID("a11ce"))
	require.ErrorContains(t, err, "no bot is configured")
}
