package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// A post of an unreadable problem becomes a dead letter with the reason. However many there are, they delay neither
// the room nor the bot.
func TestAnUnreadableProblemIsADeadLetter(t *testing.T) {
	for name, tc := range map[string]struct {
		rooms  []string
		posted bool // before it was damaged
		then   func(*alert.Problem)
	}{
		"new":                             {rooms: []string{"noc"}},
		"new in several rooms":            {rooms: []string{"noc", "db", "card", "line"}},
		"posted, then commented":          {rooms: []string{"noc"}, posted: true, then: say("I look at it")},
		"posted, then resolved":           {rooms: []string{"noc", "line"}, posted: true, then: resolve},
		"posted as a card, then resolved": {rooms: []string{"card"}, posted: true, then: resolve},
		"posted, then acknowledged":       {rooms: []string{"db"}, posted: true, then: ack},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(t *testing.T, w *world) {
				const broken = 6 // more than there are workers
				tell := func(change func(*alert.Problem)) {
					for n := range broken {
						w.fold(n, change, tc.rooms...)
					}
				}
				if tc.posted {
					tell(nil)
					w.pass(time.Minute)
				}
				w.store.damage(0, 1, 2, 3, 4, 5)
				tell(tc.then)
				w.fold(10, nil, "noc", "db")
				answer := w.notice(store.Notice{Kind: store.NoticeAnswer, Room: "noc", Markdown: "done"})
				w.pass(5 * time.Second)
				for n := range broken {
					for _, room := range tc.rooms {
						post := w.store.post(key(n), room)
						require.Equal(t, store.PostDead, post.State)
						require.Contains(t, post.LastError, fmt.Sprintf("problem %s can't be read", key(n)))
					}
				}
				require.NotEmpty(t, w.store.post(key(10), "noc").RootID)
				require.NotEmpty(t, w.store.post(key(10), "db").RootID)
				require.Equal(t, store.NoticeSent, w.store.notice(answer).State)
				require.Zero(t, w.store.pending())
				require.EqualValues(t, broken*len(tc.rooms), w.metric("alert_relay_dead_letters_total", "kind", "post"))
				before := len(w.ops())
				w.pass(time.Hour)
				require.Len(t, w.ops(), before, "nothing is repeated")
			})
		})
	}
}

// A digest names an unreadable problem by its id, and shows all the others.
func TestADigestNamesUnreadableProblems(t *testing.T) {
	for name, broken := range map[string][]int{
		"the first": {0}, "the last": {19}, "one in the middle": {7}, "several": {0, 3, 4, 5, 18}, "all but one": {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18},
	} {
		t.Run(name, func(t *testing.T) {
			inStorm(t, func(t *testing.T, w *world) {
				w.store.damage(broken...)
				w.rain(0, 20, nil)
				w.pass(10 * time.Second)
				require.Len(t, w.digestTexts("noc"), 1)
				for n := range 20 {
					require.Contains(t, w.digestTexts("noc")[0], key(n).String()+"=open")
				}
				require.Zero(t, w.store.pending())
				require.Equal(t, len(broken), strings.Count(w.digestTexts("noc")[0], "+unreadable"))

				w.stop()
				w.start()
				w.rain(0, 10, resolve)
				w.pass(10 * time.Minute)
				for n := range 20 {
					require.Contains(t, w.digestTexts("noc")[0], key(n).String()+map[bool]string{true: "=resolved", false: "=open"}[n < 10])
				}
				w.rain(10, 20, resolve)
				w.pass(10 * time.Minute)
				require.NotContains(t, w.digestTexts("noc")[0], "=open")
				require.Zero(t, w.store.pending())

				// If a room refuses such a digest, the default room gets all problems that can be read.
				w.webex.set(func(f *fakeWebex) { delete(f.rooms, "R-noc") })
				w.store.damage(append(broken, 40)...)
				w.rain(40, 60, nil)
				w.pass(10 * time.Minute)
				require.Zero(t, w.store.pending())
				all := strings.Join(w.texts("default"), "\n")
				for n := 41; n < 60; n++ {
					require.Contains(t, all, key(n).String()+" open")
				}
				require.Equal(t, store.PostDead, w.store.post(key(40), "default").State)
			})
		})
	}
}

// A reroute that the store rejects delays neither the dead letter nor the rest of a digest.
func TestARejectedRerouteDelaysNothing(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.webex.set(func(f *fakeWebex) { delete(f.rooms, "R-noc") })
		w.store.rejects("Append")
		w.rain(1, 2, nil)
		w.pass(10 * time.Second)
		require.Equal(t, store.PostDead, w.store.post(key(1), "noc").State)
		appended := 0
		w.store.setFail(func(op string) error {
			if op == "Append" {
				if appended++; appended == 7 {
					return store.ErrNotFound
				}
			}
			return nil
		})
		w.rain(100, 130, nil)
		w.pass(time.Minute)
		require.Zero(t, w.store.pending())
		require.Equal(t, 30, appended)
		require.EqualValues(t, 1, w.metric("alert_relay_dead_letters_total", "kind", "digest"))
	})
}

// A rejected write delays no other room and repeats no message: an hour later, the other rooms have each message once.
func TestARejectedWriteDelaysNothingElse(t *testing.T) {
	for _, op := range []string{
		"PostsOf", "Problems", "ClaimPost", "SavePost", "Notice", "SaveNotice", "AddNotice", "Append", "PendingPosts", "PendingNotices", "Value", "SetValue",
	} {
		t.Run(op, func(t *testing.T) {
			inWorld(t, nil, func(t *testing.T, w *world) {
				w.webex.set(func(f *fakeWebex) { delete(f.rooms, "R-db") })
				w.store.rejects(op)
				w.fold(200, nil, "db")
				for n := range 20 {
					w.fold(n, nil, "noc")
				}
				id, err := w.store.AddNotice(context.Background(), store.Notice{Kind: store.NoticeSystem, Room: "noc", Markdown: "a notice"})
				if err != nil {
					require.ErrorIs(t, err, store.ErrRejected)
				}
				w.store.Notify(store.TopicNotices)
				w.pass(time.Hour)
				seen := map[string]int{}
				for _, c := range w.webex.seen() {
					if c.op == "post" && c.room != "R-db" && c.status < 300 {
						seen[c.markdown]++
					}
				}
				for text, times := range seen {
					require.Equal(t, 1, times, text)
				}
				refused := 0
				for _, c := range w.webex.seen() {
					if c.status >= 400 {
						refused++
					}
				}
				require.LessOrEqual(t, refused, 3, "calls to a room that refuses")

				// When the store works again, everything is posted, at the latest after a restart.
				w.store.setFail(nil)
				w.stop()
				w.start()
				w.store.Notify(store.TopicNotices)
				w.pass(time.Hour)
				require.Zero(t, w.store.pending(), "of %v", id)
			})
		})
	}
}

// A call of the store is retried only after errors that a retry can mend.
// A read of several problems returns those that can be read, and why the others can't.
func TestReadableProblemsBesideDamagedOnes(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		for n := range 3 {
			w.fold(n, nil, "noc")
		}
		w.store.damage(1)
		found, broken, ok := w.d.bot("noc").problems(t.Context(), "testing", []alert.Key{key(0), key(1), key(2)})
		require.True(t, ok)
		require.ErrorContains(t, broken, key(1).String())
		require.Len(t, found, 2)
		require.NotContains(t, found, key(1))
	})
}

// Failures of the store are counted, but not a missing row or the end of the relay.
func TestFailuresOfTheStoreAreCounted(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want float64
	}{
		{nil, 0}, {store.ErrNotFound, 0}, {store.ErrClosed, 0}, {store.ErrRejected, 1}, {store.ErrBusy, 2}, {errors.New("disk I/O error"), 2},
	} {
		inWorld(t, nil, func(t *testing.T, w *world) {
			calls := 0
			_ = w.d.attempt(t.Context(), "testing", func(context.Context) error {
				if calls++; calls < 3 {
					return tc.err
				}
				return nil
			})
			require.Equal(t, tc.want, w.metric("alert_relay_delivery_store_errors_total"), "%v", tc.err)
		})
	}
}

// While something else answers for Webex, the client logs that once, and delivery logs no line for each message.
func TestForeignAnswersAreLoggedAtDebug(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&webex.Error{Status: 403, Foreign: true}, "DEBUG"},
		{fmt.Errorf("x: %w", &webex.Error{Status: 200, Foreign: true}), "DEBUG"},
		{&webex.Error{Status: 403}, "WARN"},
		{&webex.Error{Status: 503}, "WARN"},
		{errors.New("no answer"), "WARN"},
	} {
		var log bytes.Buffer
		b := &bot{Delivery: &Delivery{Options: Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}}}
		b.logRefused(lives{call: t.Context()}, &task{}, step.Step{}, step.Retry, c.err)
		require.Contains(t, log.String(), "level="+c.want, c.err)
	}
}
