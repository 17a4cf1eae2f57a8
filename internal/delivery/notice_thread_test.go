package delivery

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// inThread returns the live messages of a room, each with the text of the message that it replies to.
func (w *world) inThread(room string) (list []string) {
	texts := map[string]string{}
	for _, m := range w.webex.live(room) {
		texts[m.id] = m.markdown
		if m.parent != "" {
			list = append(list, texts[m.parent]+" > "+m.markdown)
		} else {
			list = append(list, m.markdown)
		}
	}
	return list
}

// The first message of a thread is its root, the others reply to it, in rooms and direct chats, also after a restart.
func TestNoticesOfAThreadAreReplies(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		say := func(text, room, thread, key string) {
			n := store.Notice{Kind: store.NoticeNotify, Sender: "ansible", Room: room, Markdown: text, Thread: thread, Dedup: key}
			if room == "" {
				n.Person = "bob@example.com"
			}
			w.notice(n)
		}
		say("begin", "noc", "deploy", "state")
		say("step 1", "noc", "deploy", "")
		say("other", "noc", "backup", "")
		say("elsewhere", "db", "deploy", "")
		say("hello", "", "deploy", "")
		say("you", "", "deploy", "")
		w.pass(3 * time.Second)
		w.stop()
		w.start()
		say("step 2", "noc", "deploy", "s2")
		say("end", "noc", "deploy", "state")
		say("step 3", "noc", "deploy", "s2")
		w.pass(5 * time.Second)
		require.Equal(t, []string{"end", "end > step 1", "other", "end > step 3"}, w.inThread("R-noc"))
		require.Equal(t, []string{"elsewhere"}, w.inThread("R-db"))
		require.Equal(t, []string{"hello", "hello > you"}, w.inThread("direct:bob@example.com"))
		require.Zero(t, w.store.pending())
	})
}

// Messages of a thread keep their order across a failure and a restart.
func TestNoticesOfANotifyThreadKeepTheirOrder(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		n := store.Notice{Kind: store.NoticeNotify, Sender: "ansible", Room: "noc", Thread: "deploy"}
		say := func(text string) {
			n.Markdown = text
			w.notice(n)
		}
		say("1")
		w.pass(time.Second)
		w.refuse(503)
		say("2")
		w.pass(500 * time.Millisecond)
		w.stop()
		w.webex.set(func(f *fakeWebex) { f.meet = nil })
		say("3")
		w.start()
		w.pass(time.Minute)
		require.Equal(t, []string{"1", "1 > 2", "1 > 3"}, w.inThread("R-noc"))
	})
}

// A thread whose root was deleted begins again with the next message, and goes on below that.
func TestAThreadWithADeletedRootBeginsAgain(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		n := store.Notice{Kind: store.NoticeNotify, Sender: "ansible", Room: "noc", Thread: "deploy"}
		for i := range 4 {
			n.Markdown = fmt.Sprint(i)
			id := w.notice(n)
			w.pass(time.Second)
			if i == 0 {
				w.webex.deleteBySomebody(w.noticed(id).MessageID)
			}
		}
		require.Equal(t, []string{"1", "1 > 2", "1 > 3"}, w.inThread("R-noc"))
		require.Equal(t, []string{"post", "reply 404", "post", "reply", "reply"}, w.ops())
	})
}

// A file is sent with its message, also after a restart and a failure. Without its content it is a dead letter.
func TestANoticeHasAFile(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.refuse(503)
		n := store.Notice{Kind: store.NoticeNotify, Sender: "ci", Room: "noc", File: &store.File{Name: "log.txt", Type: "text/plain", Content: []byte("line 1")}}
		id := w.notice(n)
		w.pass(time.Second)
		w.stop()
		w.webex.set(func(f *fakeWebex) { f.meet = nil })
		w.start()
		w.pass(time.Minute)
		require.Len(t, w.webex.live("R-noc"), 1)
		require.Equal(t, "line 1", w.webex.live("R-noc")[0].file)
		require.Equal(t, store.NoticeSent, w.noticed(id).State)

		n.File = &store.File{Name: "lost"}
		id = w.notice(n)
		w.pass(time.Second)
		require.Equal(t, store.NoticeDead, w.noticed(id).State)
		require.Contains(t, w.noticed(id).LastError, "not found")
		require.Zero(t, w.store.pending())
	})
}

// A plain text that is edited keeps its lines.
func TestAnEditedTextKeepsItsLines(t *testing.T) {
	require.Equal(t, "one\\*  \n&lt;two&gt;", asMarkdown("one*\n<two>"))
	long := ""
	for range 2000 {
		long += "**\n"
	}
	require.LessOrEqual(t, len(asMarkdown(long)), 7439)
}

// However many notices a sender has sent, a new problem is posted at once.
func TestAFloodOfNoticesDelaysNoProblem(t *testing.T) {
	inWorld(t, func(o *Options) { o.Workers = 1 }, func(t *testing.T, w *world) {
		for i := range 300 {
			w.notice(store.Notice{Kind: store.NoticeNotify, Sender: "flood", Room: "noc", Markdown: fmt.Sprint(i)})
		}
		w.pass(time.Second)
		w.fold(1, severity(alert.High), "noc")
		w.pass(time.Second)
		require.NotZero(t, w.store.pending(), "the flood isn't over")
		require.Contains(t, strings.Join(w.texts("noc"), "\n"), "main/1 open")
	})
}
