package delivery

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

func (w *world) noticed(id int64) store.Notice {
	n, err := w.store.Notice(context.Background(), id)
	require.NoError(w.t, err)
	return n
}

func TestANewBodyEditsTheNotice(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		n := store.Notice{Kind: store.NoticeNotify, Sender: "ansible", Room: "noc", Markdown: "run 0", Dedup: "run"}
		id := w.notice(n)
		for i := range 11 {
			w.pass(time.Second)
			n.Markdown = fmt.Sprint("run ", i+1)
			require.Equal(t, id, w.notice(n))
		}
		w.pass(time.Second)
		require.Equal(t, []string{"run 10", "run 11"}, w.texts("noc"), "after ten edits it is posted again")
		require.Zero(t, w.store.pending())
		require.Equal(t, store.NoticeSent, w.noticed(id).State)
		require.EqualValues(t, 12, w.noticed(id).SentVersion)
	})
}

// A new body that arrives while the old one is being sent follows at once, also if that call fails.
func TestANewBodyDuringTheCall(t *testing.T) {
	for _, status := range []int{200, 500} {
		inWorld(t, nil, func(t *testing.T, w *world) {
			w.webex.set(func(f *fakeWebex) { f.took = 5 * time.Second })
			w.webex.meets(func(c aCall) *trouble {
				if c.markdown == "started" && status == 500 {
					return &trouble{status: status}
				}
				return nil
			})
			n := store.Notice{Kind: store.NoticeNotify, Sender: "ansible", Room: "noc", Markdown: "started", Dedup: "run"}
			w.notice(n)
			w.pass(time.Second)
			n.Markdown = "done"
			w.notice(n)
			w.pass(20 * time.Second)
			calls := w.webex.seen()
			require.Len(t, calls, 2)
			require.Equal(t, status, calls[0].status)
			require.Equal(t, calls[0].end, calls[1].at)
			require.Equal(t, []string{"done"}, w.texts("noc"))
			require.Zero(t, w.store.pending())
		})
	}
}

func TestNoticesGoToRoomsAndPeople(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.notice(store.Notice{Kind: store.NoticeNotify, Room: "db", Text: "plain <@all>"})
		w.notice(store.Notice{Kind: store.NoticeAnswer, RoomID: "R-card", Markdown: "**yes**", Card: []byte(`{"type":"AdaptiveCard"}`)})
		person := store.Notice{Kind: store.NoticeNotify, Sender: "x", Person: "bob@example.com", Text: "a <b>", Dedup: "k"}
		w.notice(person)
		w.pass(time.Second)
		person.Text = "c <d>"
		w.notice(person)
		w.pass(time.Second)
		require.Equal(t, []string{"plain <@all>"}, w.texts("db"), "text is sent as it is, not as markdown")
		require.True(t, w.webex.live("R-card")[0].card)
		direct := w.webex.live("direct:bob@example.com")
		require.Len(t, direct, 1)
		require.Equal(t, webex.EscapeMarkdown("c <d>"), direct[0].markdown, "an edit is always markdown")
	})
}

func TestNoticesOfAThreadKeepTheirOrder(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		faults := 0
		w.webex.meets(func(c aCall) *trouble {
			if c.markdown == "1" && faults < 2 {
				faults++
				return &trouble{status: 503}
			}
			return nil
		})
		for i := range 5 {
			w.notice(store.Notice{Kind: store.NoticeNotify, Room: "noc", Markdown: fmt.Sprint(i)})
		}
		w.notice(store.Notice{Kind: store.NoticeNotify, Room: "db", Markdown: "elsewhere"})
		w.pass(500 * time.Millisecond)
		require.Equal(t, []string{"elsewhere"}, w.texts("db"), "other rooms aren't delayed")
		w.pass(time.Minute)
		require.Equal(t, []string{"0", "1", "2", "3", "4"}, w.texts("noc"))
	})
}

func TestAFailingNoticeLeavesItsLane(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.webex.meets(func(c aCall) *trouble {
			if c.markdown == "0" {
				return &trouble{status: 500}
			}
			return nil
		})
		for i := range 3 {
			w.notice(store.Notice{Kind: store.NoticeNotify, Room: "noc", Markdown: fmt.Sprint(i)})
		}
		w.pass(time.Minute)
		require.Equal(t, []string{"1", "2"}, w.texts("noc"))
		require.Equal(t, 1, w.store.pending())
		w.webex.set(func(f *fakeWebex) { f.meet = nil })
		w.pass(2 * time.Minute)
		require.Equal(t, []string{"1", "2", "0"}, w.texts("noc"))
		require.Zero(t, w.store.pending())
	})
}

func TestAReplyToADeletedThreadGoesToTheRoom(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		id := w.notice(store.Notice{Kind: store.NoticeAnswer, RoomID: "R-noc", ParentID: "gone", Markdown: "done"})
		w.pass(time.Second)
		require.Equal(t, []string{"reply 404", "post"}, w.ops())
		require.Equal(t, store.NoticeSent, w.noticed(id).State)
	})
}

func TestARefusedNoticeIsADeadLetter(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		id := w.notice(store.Notice{Kind: store.NoticeNotify, Room: "away", Markdown: "x"})
		nowhere := w.notice(store.Notice{Kind: store.NoticeNotify, Room: "nowhere", Markdown: "x"})
		w.pass(time.Second)
		n := w.noticed(id)
		require.Equal(t, store.NoticeDead, n.State)
		require.Contains(t, n.LastError, "404")
		require.Equal(t, "T2", n.TrackingID)
		require.Contains(t, w.noticed(nowhere).LastError, "isn't configured")
		require.EqualValues(t, 2, w.metric("alert_relay_dead_letters_total", "kind", "notice"))
		require.Zero(t, w.store.pending())
		require.Equal(t, []string{"post 404"}, w.ops())
	})
}

// A notice whose message seems deleted may be in a room that the bot was removed from. When the bot is back and the dead
// letter is replayed, that message is edited and no second one is posted, also after a restart.
func TestANoticeIsEditedAfterTheBotIsReadmitted(t *testing.T) {
	for _, restart := range []bool{false, true} {
		inWorld(t, nil, func(t *testing.T, w *world) {
			n := store.Notice{Kind: store.NoticeNotify, Sender: "x", Room: "noc", Markdown: "first", Dedup: "k"}
			id := w.notice(n)
			w.pass(time.Second)
			before := w.noticed(id)
			w.refuse(404)
			if restart {
				w.refuse(503)
			}
			n.Markdown = "second"
			w.notice(n)
			w.pass(time.Minute)
			if restart {
				w.stop()
				w.refuse(404)
				w.start()
				w.pass(time.Minute)
			}
			require.Equal(t, store.NoticeDead, w.noticed(id).State)
			require.Equal(t, before.MessageID, w.noticed(id).MessageID)

			w.webex.set(func(f *fakeWebex) { f.meet = nil })
			n = w.noticed(id)
			n.State = store.NoticePending
			require.NoError(t, w.store.SaveNotice(context.Background(), n))
			w.store.Notify(store.TopicPosts)
			w.pass(time.Minute)
			require.Equal(t, []string{"second"}, w.texts("noc"))
			require.Zero(t, w.store.pending())
		})
	}
}

// A notice whose message was deleted is posted again.
func TestADeletedNoticeIsPostedAgain(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		n := store.Notice{Kind: store.NoticeNotify, Sender: "x", Room: "noc", Markdown: "first", Dedup: "k"}
		id := w.notice(n)
		w.pass(time.Second)
		w.webex.deleteBySomebody(w.noticed(id).MessageID)
		n.Markdown = "second"
		w.notice(n)
		w.pass(time.Second)
		require.Equal(t, []string{"post", "edit 404", "post"}, w.ops())
		require.Equal(t, []string{"second"}, w.texts("noc"))
	})
}

func TestAReasonCannotMentionAnybody(t *testing.T) {
	quoted := code("`**<@all>** \n" + strings.Repeat("x", 1000))
	require.NotContains(t, quoted, "<@")
	require.Equal(t, 2, strings.Count(quoted, "`"))
	require.Less(t, len(quoted), 600)
}

// A wake-up can be based on an earlier state of the store: the notice is read again before anything is done.
func TestASettledNoticeThatIsWokenLateIsLeftAlone(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		n := store.Notice{Kind: store.NoticeNotify, Room: "nowhere", Markdown: "x", State: store.NoticePending, Version: 1}
		n.ID = w.notice(n)
		w.pass(time.Second)
		enqueue([]store.Notice{n}, w.d.newNoticeTask, true)
		w.pass(time.Second)
		require.EqualValues(t, 1, w.metric("alert_relay_dead_letters_total", "kind", "notice"))
		require.Equal(t, store.NoticeDead, w.noticed(n.ID).State)
	})
}
