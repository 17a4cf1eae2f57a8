package chat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/command"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// fakeCommands understands only "ack 47…" and "help".
type fakeCommands struct {
	store *claims

	mu       sync.Mutex
	accepted []string // the texts, in order
	gaveUp   []store.Command
	fail     int // how many more calls of Accept fail
	// confirmed: somebody confirms the question of a message while its edit is read.
	confirmed bool
}

func (f *fakeCommands) Accept(_ context.Context, c store.Command, h command.Input) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail > 0 {
		f.fail--
		return errors.New("the store failed")
	}
	f.accepted = append(f.accepted, h.Text)
	c.Text, c.State = h.Text, store.CommandFailed
	switch {
	case strings.HasPrefix(h.Text, "ack 47"):
		c.State, c.Detail = store.CommandDone, append(c.Detail[:len(c.Detail)-1:len(c.Detail)-1], `,"request":{"verb":"ack"}}`...)
	case h.Text == "help":
		c.State = store.CommandDone
	}
	return f.store.SaveCommand(context.Background(), c)
}

func (f *fakeCommands) ReplaceQuestions(context.Context, store.Command) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.confirmed, nil
}

func (f *fakeCommands) Ignore(_ context.Context, c store.Command) error {
	c.State = store.CommandDone
	return f.store.SaveCommand(context.Background(), c)
}

func (f *fakeCommands) GiveUp(_ context.Context, c store.Command, _ error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gaveUp = append(f.gaveUp, c)
	return f.store.SaveCommand(context.Background(), c)
}

// mailbox is an inbox whose Webex, store and commands survive its restarts.
type mailbox struct {
	*Inbox
	webex    *fakeWebex
	store    *claims
	commands *fakeCommands
	stop     func()
}

func newMailbox() *mailbox {
	s := emptyClaims()
	return &mailbox{webex: newFake(), store: s, commands: &fakeCommands{store: s}}
}

func (m *mailbox) start(t *testing.T) {
	r, metrics := newReader(m.webex)
	m.Inbox = NewInbox(InboxOptions{
		Reader: r, Store: m.store, Commands: m.commands, Expiry: func() time.Duration { return time.Hour },
		Log: slog.New(slog.DiscardHandler), Metrics: metrics,
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	m.stop = func() {
		cancel()
		require.NoError(t, <-ended)
	}
}

// inMailbox runs a test with an inbox in virtual time.
func inMailbox(t *testing.T, story func(t *testing.T, m *mailbox)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := newMailbox()
		m.start(t)
		defer func() { m.stop() }()
		synctest.Wait() // it has listed what the store has: nothing is read twice
		story(t, m)
	})
}

// say creates a message from Alice in a room and delivers it.
func (m *mailbox) say(t *testing.T, room, id, text string) {
	t.Helper()
	m.write(room, id, text, time.Time{})
	m.deliver(t, room, id, "created")
}

func (m *mailbox) write(room, id, text string, edited time.Time) {
	m.webex.mu.Lock()
	defer m.webex.mu.Unlock()
	m.webex.messages[id] = webex.Message{ID: id, RoomID: room, RoomType: "group", PersonID: personID("a11ce"), Text: text, Updated: webex.Time{Time: edited}}
}

// edit changes a message and delivers the edit.
func (m *mailbox) edit(t *testing.T, id, text string) {
	t.Helper()
	m.write("ROOM-noc", id, text, time.Now())
	m.deliver(t, "ROOM-noc", id, "updated")
}

func (m *mailbox) deliver(t *testing.T, room, id, event string) {
	t.Helper()
	_, err := m.Deliver(t.Context(), "noc", webex.Envelope{Resource: "messages", Event: event, Data: webex.EnvelopeData{ID: id, RoomID: room}})
	require.NoError(t, err)
}

func (m *mailbox) passedOn() []string {
	m.commands.mu.Lock()
	defer m.commands.mu.Unlock()
	return append([]string{}, m.commands.accepted...)
}

// A command that Webex delivers again is accepted once.
func TestRedeliveryIsAcceptedOnce(t *testing.T) {
	inMailbox(t, func(t *testing.T, m *mailbox) {
		for range 3 {
			m.say(t, "ROOM-noc", "M", "ack 4711")
			m.mu.Lock()
			m.add(store.Command{ID: "M"}) // even if the store lists it once more
			m.mu.Unlock()
			pace.Wake(m.woken)
			synctest.Wait()
		}
		require.Equal(t, []string{"ack 4711"}, m.passedOn())
	})
}

// Deliveries that aren't for the bot end without a reply.
func TestIgnoredDeliveriesGetNoReply(t *testing.T) {
	inMailbox(t, func(t *testing.T, m *mailbox) {
		m.deliver(t, "ROOM-noc", "EVE", "created")
		synctest.Wait()
		require.Empty(t, m.passedOn())
		require.Empty(t, m.commands.gaveUp)
		require.Equal(t, store.CommandDone, m.store.command("EVE").State)
		require.Equal(t, "ignored: person (eve@elsewhere.org)", m.store.command("EVE").Outcome)
	})
}

// A read that fails is retried, and later messages of the room pass it.
func TestReadingIsRetried(t *testing.T) {
	inMailbox(t, func(t *testing.T, m *mailbox) {
		away := &webex.Error{Status: 502}
		m.webex.failNext("M1", away, away, &webex.Error{Status: 429, RetryAfter: time.Minute})
		m.say(t, "ROOM-noc", "M1", "ack 4711 one")
		m.say(t, "ROOM-noc", "M2", "ack 4711 two")
		synctest.Wait()
		require.Equal(t, []string{"ack 4711 two"}, m.passedOn(), "the second message passes the first")
		require.Equal(t, 1, m.store.command("M1").Attempts, "a restart continues from there")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.Len(t, m.passedOn(), 1, "not before Retry-After has passed")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, m.passedOn(), 2)

		m.commands.fail = 2
		m.say(t, "ROOM-noc", "M3", "ack 4711 three")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Len(t, m.passedOn(), 3)
		require.Empty(t, m.arrivals)
	})
}

// Commands that were claimed before a restart are read after it, and retries keep their schedule.
func TestReadAfterARestart(t *testing.T) {
	inMailbox(t, func(t *testing.T, m *mailbox) {
		m.webex.failNext("M1", errors.New("network"), errors.New("network"))
		m.say(t, "ROOM-noc", "M1", "ack 4711")
		synctest.Wait()
		m.stop()
		m.start(t)
		synctest.Wait()
		require.Empty(t, m.passedOn(), "not before its retry is due")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"ack 4711"}, m.passedOn())
	})
}

// Commands beyond the limit in memory wait in the store, and none is lost.
func TestInboxOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMailbox()
		const n = inboxSize + 300
		m.start(t)
		m.webex.mu.Lock() // blocks reading
		for i := range n {
			id := fmt.Sprint("X", i)
			m.webex.messages[id] = webex.Message{ID: id, RoomID: fmt.Sprint("R", i%7), RoomType: "direct", PersonID: personID("a11ce"), Text: "help"}
			m.deliver(t, fmt.Sprint("R", i%7), id, "created")
		}
		m.webex.mu.Unlock()
		synctest.Wait()
		require.Len(t, m.passedOn(), n)
		m.stop()
	})
}

// Each room is read in order, and a failed read blocks nothing.
func TestRunnable(t *testing.T) {
	now := time.Now()
	at := func(room string, attempts int, in time.Duration, running bool) *arrival {
		return &arrival{c: store.Command{RoomID: room, Attempts: attempts}, due: now.Add(in), running: running}
	}
	inbox := []*arrival{at("a", 0, 0, true), at("a", 0, 0, false), at("b", 2, time.Minute, false), at("b", 0, 0, false), at("b", 0, 0, false), at("c", 1, time.Second, false), at("d", 0, 0, false)}
	ready, wait := runnable(inbox, 4, now)
	require.Equal(t, []*arrival{inbox[3], inbox[6]}, ready)
	require.Equal(t, time.Second, wait)
	ready, _ = runnable(inbox, 1, now)
	require.Equal(t, []*arrival{inbox[3]}, ready)
	ready, wait = runnable(nil, 4, now)
	require.Empty(t, ready)
	require.Zero(t, wait)
}

// A command that Webex delivers too late, or lets the bot read too late, isn't executed.
func TestLateDeliveriesExpire(t *testing.T) {
	inMailbox(t, func(t *testing.T, m *mailbox) {
		m.write("ROOM-noc", "M1", "ack 4711", time.Time{})
		_, err := m.Deliver(t.Context(), "noc", webex.Envelope{Resource: "messages", Event: "created", Data: webex.EnvelopeData{ID: "M1", RoomID: "ROOM-noc", Created: webex.Time{Time: time.Now().Add(-2 * time.Hour)}}})
		require.NoError(t, err)
		m.webex.failNext("M2", errors.New("Webex is unreachable"))
		m.say(t, "ROOM-noc", "M2", "ack 4711")
		m.webex.failNext("M3", errors.New("Webex is unreachable"))
		m.say(t, "ROOM-unknown", "M3", "ack 4711")
		synctest.Wait()
		m.stop()
		time.Sleep(2 * time.Hour)
		m.start(t)
		synctest.Wait()
		require.Empty(t, m.passedOn())
		rooms := map[string]string{}
		for _, c := range m.commands.gaveUp {
			require.Equal(t, store.CommandExpired, c.State)
			rooms[c.ID] = c.Room
		}
		require.Equal(t, map[string]string{"M1": "noc", "M2": "noc", "M3": ""}, rooms, "only a room that the bot serves gets a reply")
	})
}

// A command has the time at which the person wrote it, however late Webex delivers it: what it means depends on that.
func TestCommandsHaveTheTimeOfTheirMessage(t *testing.T) {
	for name, c := range map[string]struct {
		event           string
		created, edited time.Duration // before the delivery; 0 if Webex has no such time
		want            time.Duration // before the delivery
	}{
		"delivered late":                {"created", 40 * time.Minute, 0, 40 * time.Minute},
		"no time in the envelope":       {"created", 0, 0, 0},
		"the clock of Webex is ahead":   {"created", -time.Minute, 0, 0},
		"an edit":                       {"updated", 40 * time.Minute, 30 * time.Minute, 30 * time.Minute},
		"an edit without a time":        {"updated", 40 * time.Minute, 0, 0},
		"edited before it is delivered": {"created", 40 * time.Minute, 30 * time.Minute, 30 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inMailbox(t, func(t *testing.T, m *mailbox) {
				now := time.Now()
				before := func(d time.Duration) time.Time {
					if d == 0 {
						return time.Time{}
					}
					return now.Add(-d)
				}
				m.write("ROOM-noc", "M", "ack 4711", before(c.edited))
				_, err := m.Deliver(t.Context(), "noc", webex.Envelope{Resource: "messages", Event: c.event, Data: webex.EnvelopeData{ID: "M", RoomID: "ROOM-noc", Created: webex.Time{Time: before(c.created)}}})
				require.NoError(t, err)
				synctest.Wait()
				require.Equal(t, []string{"ack 4711"}, m.passedOn())
				id := "M"
				if c.event == "updated" {
					id = store.VersionID("M", 0)
				}
				require.True(t, m.store.command(id).CreatedAt.Equal(now.Add(-c.want)), m.store.command(id).CreatedAt)
			})
		})
	}
}

// An edit is executed if the earlier versions were misspelt, answered with a question, or unreadable,
// and never if one of them had an effect.
func TestEditsAreAcceptedOnce(t *testing.T) {
	type versions []string
	const same, done = "ignored: edited (the words are the same)", "ignored: edited (an earlier version of the message was carried out)"
	for name, c := range map[string]struct {
		said  versions
		acked int
		last  string // the outcome of the last version; "" if there is none
	}{
		"misspelt, then right":        {versions{"akc 4711", "ack 4711"}, 1, ""},
		"misspelt twice, then right":  {versions{"akc 4711", "akk 4711", "ack 4711"}, 1, ""},
		"right, then other words":     {versions{"ack 4711", "ack 4711 on it"}, 1, ""},
		"right, then another problem": {versions{"ack 4711", "ack 4712"}, 1, ""},
		"right, then misspelt":        {versions{"ack 4711", "akc 4711"}, 1, ""},
		"misspelt, right, another":    {versions{"akc 4711", "ack 4711", "ack 4712"}, 1, ""},
		"help, then a command":        {versions{"help", "ack 4711"}, 0, ""},
		"misspelt, delivered again":   {versions{"akc 4711", "akc 4711"}, 0, same},
		"right, delivered thrice":     {versions{"akc 4711", "ack 4711", "ack 4711", "ack 4711"}, 1, ""},
		"delivered again, then right": {versions{"akc 4711", "akc 4711", "ack 4711"}, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inMailbox(t, func(t *testing.T, m *mailbox) {
				m.say(t, "ROOM-noc", "M", c.said[0])
				synctest.Wait()
				for _, text := range c.said[1:] {
					m.edit(t, "M", text)
					time.Sleep(10 * time.Second)
					synctest.Wait()
				}
				acked := 0
				for _, text := range m.passedOn() {
					if strings.HasPrefix(text, "ack 47") {
						acked++
					}
				}
				require.Equal(t, c.acked, acked)
				require.Equal(t, c.last, m.store.command(store.VersionID("M", len(c.said)-1)).Outcome)
			})
		})
	}
	inMailbox(t, func(t *testing.T, m *mailbox) {
		m.say(t, "ROOM-noc", "M", "akc 4711")
		synctest.Wait()
		m.commands.mu.Lock()
		m.commands.confirmed = true
		m.commands.mu.Unlock()
		m.edit(t, "M", "ack 4711")
		synctest.Wait()
		require.Equal(t, []string{"akc 4711"}, m.passedOn())
		require.Equal(t, done, m.store.command("M/edit/1").Outcome)
	})
	// An edit that was claimed before its first version had an effect.
	inMailbox(t, func(t *testing.T, m *mailbox) {
		m.webex.failNext("M", errors.New("503"))
		m.say(t, "ROOM-noc", "M", "ack 4711")
		synctest.Wait()
		m.deliver(t, "ROOM-noc", "M", "updated")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"ack 4711"}, m.passedOn())
		require.Equal(t, done, m.store.command("M/edit/1").Outcome)
	})
}

// An edit waits while the version before it is still being read.
func TestEditDuringRead(t *testing.T) {
	inMailbox(t, func(t *testing.T, m *mailbox) {
		m.webex.failNext("M", errors.New("503"), errors.New("503"))
		m.say(t, "ROOM-noc", "M", "akc 4711")
		synctest.Wait()
		m.edit(t, "M", "ack 4711 on it")
		synctest.Wait()
		require.Empty(t, m.passedOn())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Contains(t, m.passedOn(), "ack 4711 on it")
		require.LessOrEqual(t, len(m.passedOn()), 2)
	})
}

// A version that couldn't be read has no effect on later ones, and an edit expires by its own time.
func TestEditOfUnreadableMessage(t *testing.T) {
	inMailbox(t, func(t *testing.T, m *mailbox) {
		for range maxRefusals + 1 {
			m.webex.failNext("M", &webex.Error{Status: 403, Message: "Failed to get activity"})
		}
		m.say(t, "ROOM-noc", "M", "ack 4711")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, m.commands.gaveUp, 1)
		require.Equal(t, store.CommandFailed, m.commands.gaveUp[0].State)
		require.Equal(t, "noc", m.commands.gaveUp[0].Room)
		require.Contains(t, m.commands.gaveUp[0].Outcome, "403 Failed to get activity")
		m.write("ROOM-noc", "M", "ack 4711 on it", time.Now().Add(-2*time.Hour))
		m.deliver(t, "ROOM-noc", "M", "updated")
		synctest.Wait()
		require.Empty(t, m.passedOn())
		require.Equal(t, store.CommandExpired, m.store.command("M/edit/1").State)
		m.edit(t, "M", "ack 4711 on it")
		synctest.Wait()
		require.Equal(t, []string{"ack 4711 on it"}, m.passedOn())
	})
}

// In a room that the bot doesn't serve, an unreadable message gets no reply.
func TestUnreadableInOtherRooms(t *testing.T) {
	inMailbox(t, func(t *testing.T, m *mailbox) {
		m.deliver(t, "ROOM-unknown", "MISSING", "created")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(t, m.commands.gaveUp)
		require.Equal(t, store.CommandDone, m.store.command("MISSING").State)
		require.Contains(t, m.store.command("MISSING").Outcome, "ignored: gone")
	})
}

// A command whose record is missing or unreadable is given up with a reply in the room, and not retried forever.
func TestMissingRecordIsGivenUp(t *testing.T) {
	for name, broken := range map[string]error{"missing": store.ErrNotFound, "rejected": store.ErrRejected} {
		t.Run(name, func(t *testing.T) {
			inMailbox(t, func(t *testing.T, m *mailbox) {
				m.store.mu.Lock()
				m.store.broken = broken
				m.store.mu.Unlock()
				m.say(t, "ROOM-noc", "M", "ack 4711")
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Empty(t, m.passedOn())
				require.Len(t, m.commands.gaveUp, 1)
				require.Equal(t, "noc", m.commands.gaveUp[0].Room)
				require.Empty(t, m.arrivals)
			})
		})
	}
}

// A press that can't be read is answered in the thread of its card.
func TestUnreadablePressIsAnsweredAtItsCard(t *testing.T) {
	inMailbox(t, func(t *testing.T, m *mailbox) {
		_, err := m.Deliver(t.Context(), "noc", webex.Envelope{Resource: "attachmentActions", Event: "created", Data: webex.EnvelopeData{ID: "GONE", RoomID: "ROOM-noc", MessageID: "CARD"}})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, m.commands.gaveUp, 1)
		require.Equal(t, "CARD", m.commands.gaveUp[0].ParentID)
	})
}

// Commands that earlier versions of the relay stored are read.
func TestStoredByEarlierVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMailbox()
		for id, detail := range map[string]string{
			"M1":      `{"envelope":{"id":"W","name":"nms-alert-relay: noc messages in groups","resource":"messages","event":"created","data":{"id":"M1","roomId":"ROOM-noc","roomType":"group"}}}`,
			"DIRECT":  `{"envelope":{"id":"","name":"","resource":"messages","event":"created","data":{"id":"DIRECT"}},"heard":{"Text":"help"},"request":{"verb":"help"}}`,
			"DAMAGED": `{"envelope":`,
			"EMPTY":   ``,
		} {
			isNew, err := m.store.ClaimCommand(t.Context(), store.Command{ID: id, Bot: "noc", RoomID: "ROOM-noc", State: store.CommandReceived, CreatedAt: time.Now(), Detail: []byte(detail)})
			require.NoError(t, err)
			require.True(t, isNew)
		}
		m.start(t)
		synctest.Wait()
		require.ElementsMatch(t, []string{"ack 4711", "help"}, m.passedOn())
		require.Contains(t, m.store.command("DAMAGED").Outcome, "ignored: unreadable")
		require.Contains(t, m.store.command("EMPTY").Outcome, "ignored: unreadable")
		m.stop()
	})
}
