package delivery

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

func TestARefusedPostIsADeadLetterWithItsReason(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.webex.meets(func(c aCall) *trouble {
			if strings.HasPrefix(c.markdown, "main/1 ") {
				return &trouble{status: 400}
			}
			return nil
		})
		w.fold(1, nil, "noc")
		w.fold(2, nil, "noc")
		w.pass(time.Second)
		post := w.store.post(key(1), "noc")
		require.Equal(t, store.PostDead, post.State)
		require.Contains(t, post.LastError, "400 as the test wants")
		require.Equal(t, "T1", post.TrackingID)
		require.False(t, post.DeadAt.IsZero())
		require.Zero(t, w.store.pending(), "a dead letter isn't pending")
		require.EqualValues(t, 1, w.metric("alert_relay_dead_letters_total", "kind", "post"))
		require.Len(t, w.webex.live("R-noc"), 2, "and delays no other post")
		require.Empty(t, w.texts("default"))

		// An operator replays it once the fault is repaired.
		w.webex.set(func(f *fakeWebex) { f.meet = nil })
		post.State = store.PostLive
		require.NoError(t, w.store.SavePost(context.Background(), key(1), "noc", post.Cursor))
		w.store.Notify(store.TopicPosts)
		w.pass(time.Second)
		require.Len(t, w.webex.live("R-noc"), 4)
	})
}

func TestPostsOfAGoneRoomAreRerouted(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.fold(1, nil, "away")
		w.fold(2, nil, "away", "default")
		w.fold(3, nil, "nowhere") // not configured
		w.pass(2 * time.Second)
		require.Zero(t, w.store.pending())
		all := "\n" + strings.Join(w.texts("default"), "\n")
		require.Equal(t, 1, strings.Count(all, "**Room `away` refuses messages.**"), "announced once")
		require.Equal(t, 1, strings.Count(all, "**Room `nowhere` isn't configured any more.**"))
		require.NotContains(t, all, "Room `nowhere` refuses")
		require.Equal(t, 1, strings.Count(all, "\nmain/1 open"), all)
		require.Equal(t, 1, strings.Count(all, "\nmain/3 open"), all)
		require.Equal(t, 1, strings.Count(all, "\nmain/2 open"), "the default room had it already: %s", all)
		require.Equal(t, store.PostDead, w.store.post(key(1), "away").State)
		require.Equal(t, store.PostDead, w.store.post(key(3), "nowhere").State)
		require.EqualValues(t, 2, w.metric("alert_relay_reroutes_total"))
		require.EqualValues(t, 3, w.metric("alert_relay_dead_letters_total", "kind", "post"))
	})
}

func TestAReroutedProblemStaysUpToDate(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.fold(1, nil, "away")
		w.pass(time.Second)
		w.fold(1, resolve)
		w.pass(time.Second)
		texts := w.texts("default")
		require.Contains(t, texts[0]+texts[1], "refuses messages")
		require.Contains(t, strings.Join(texts, "\n"), "main/1 resolved", "it is kept up to date there")
		require.Zero(t, w.store.pending())
	})
}

func TestADeletedRootIsPostedAgain(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.fold(1, nil, "noc")
		w.pass(time.Second)
		w.webex.deleteBySomebody(w.store.post(key(1), "noc").RootID)
		w.fold(1, say("still there"))
		w.pass(3 * time.Second)
		require.Equal(t, []string{"edit 404", "post", "delete", "card"}, w.ops()[2:])
		require.Len(t, w.webex.live("R-noc"), 2, "no card is left in the old thread")
		require.Zero(t, w.store.pending())
	})
}

// Webex answers 404 for a message in a room that the bot was removed from, as it does for a deleted one. When the bot is
// back and the dead letter is replayed, the room has one root.
func TestOneRootAfterTheBotIsReadmitted(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.fold(1, nil, "noc")
		w.pass(time.Second)
		before := w.store.post(key(1), "noc")
		w.webex.set(func(f *fakeWebex) { f.meet = func(aCall) *trouble { return &trouble{status: 404} } })
		w.fold(1, resolve)
		w.pass(3 * time.Second)
		post := w.store.post(key(1), "noc")
		require.Equal(t, store.PostDead, post.State)
		require.Equal(t, before.RootID, post.RootID)
		require.Equal(t, before.CardID, post.CardID)

		w.webex.set(func(f *fakeWebex) { f.meet = nil })
		post.State = store.PostLive
		require.NoError(t, w.store.SavePost(context.Background(), key(1), "noc", post.Cursor))
		w.store.Notify(store.TopicPosts)
		w.pass(3 * time.Second)
		var roots []string
		for _, m := range w.webex.live("R-noc") {
			require.False(t, m.card, "no buttons are left")
			if m.parent == "" {
				roots = append(roots, m.markdown)
			}
		}
		require.Len(t, roots, 1)
		require.Contains(t, roots[0], "resolved")
	})
}

// The same with a restart and an outage between the refused edit and the refused post.
func TestOneRootAfterARestartAndReadmission(t *testing.T) {
	for room, change := range map[string]func(*alert.Problem){"noc": resolve, "card": severity(alert.Disaster)} {
		inWorld(t, nil, func(t *testing.T, w *world) {
			w.fold(1, nil, room)
			w.pass(5 * time.Second)
			before := w.store.post(key(1), room)
			w.refuse(503)
			w.fold(1, change)
			w.pass(time.Minute)
			require.Equal(t, map[string]string{"noc": "post 503", "card": "card 503"}[room], w.ops()[len(w.ops())-1], "the root looked deleted")
			w.stop()
			w.refuse(404)
			w.start()
			w.pass(time.Minute)
			post := w.store.post(key(1), room)
			require.Equal(t, store.PostDead, post.State)
			require.Equal(t, before.RootID, post.RootID)
			require.Equal(t, before.CardID, post.CardID)

			w.webex.set(func(f *fakeWebex) { f.meet = nil })
			post.State = store.PostLive
			require.NoError(t, w.store.SavePost(context.Background(), key(1), room, post.Cursor))
			w.store.Notify(store.TopicPosts)
			w.pass(10 * time.Second)
			roots := 0
			for _, m := range w.webex.live("R-" + room) {
				if m.parent == "" {
					roots++
				}
			}
			require.Equal(t, 1, roots, room)
			require.Zero(t, w.store.pending())
		})
	}
}

// The same if the bot is back before an outage ends: the message that seemed deleted is edited again.
func TestOneRootIfTheBotIsReadmittedDuringAnOutage(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.fold(1, nil, "noc")
		w.pass(5 * time.Second)
		troubles := []*trouble{{status: 404}, {status: 503}}
		w.webex.meets(func(aCall) (met *trouble) {
			if len(troubles) > 0 {
				met, troubles = troubles[0], troubles[1:]
			}
			return met
		})
		w.fold(1, say("still there"))
		w.pass(time.Minute)
		require.Equal(t, []string{"edit 404", "post 503", "edit"}, w.ops()[2:5])
		require.Zero(t, w.store.pending())
		require.Len(t, w.webex.live("R-noc"), 3, "a root, a card and a line")
	})
}

func TestARefusedReplyProbesTheRoot(t *testing.T) {
	for _, status := range []int{400, 404} {
		inWorld(t, nil, func(t *testing.T, w *world) {
			w.webex.set(func(f *fakeWebex) { f.parentGone = status })
			first := true
			w.webex.meets(func(c aCall) *trouble {
				if c.op == "post" && c.card && first { // between the root and its card
					first = false
					w.webex.messages[c.parent].deleted = true // meets holds the lock
				}
				return nil
			})
			w.fold(1, nil, "noc")
			w.pass(5 * time.Second)
			require.Equal(t, []string{"post", fmt.Sprint("card ", status), "edit 404", "post", "card"}, w.ops())
			require.Zero(t, w.store.pending())
		})
	}
}

func TestARefusedReplyToALiveRootIsADeadLetter(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.webex.meets(func(c aCall) *trouble {
			if strings.Contains(c.markdown, "line:") {
				return &trouble{status: 400}
			}
			return nil
		})
		w.fold(1, nil, "noc")
		w.pass(time.Second)
		w.fold(1, ack)
		w.pass(5 * time.Second)
		require.Equal(t, []string{"edit", "reply 400", "edit", "reply 400"}, w.ops()[2:])
		require.Equal(t, store.PostDead, w.store.post(key(1), "noc").State)
	})
}

// The same once the root's edits are spent, or all but the one for the resolution: an edit too many still tells a live
// root from a deleted one.
func TestARefusedReplyWithoutEditsLeft(t *testing.T) {
	for _, open := range []bool{true, false} {
		for _, deleted := range []bool{true, false} {
			inWorld(t, nil, func(t *testing.T, w *world) {
				w.fold(1, nil, "noc")
				for i := range 10 {
					w.pass(10 * time.Second)
					w.fold(1, say(fmt.Sprint("word ", i)))
				}
				w.pass(10 * time.Second)
				if !open {
					w.fold(1, resolve)
					w.pass(10 * time.Second)
				}
				root, before := w.webex.live("R-noc")[0], len(w.ops())
				require.Equal(t, map[bool]int{true: 9, false: 10}[open], root.edits)
				w.webex.set(func(f *fakeWebex) { f.parentGone = 400 })
				if deleted {
					w.webex.deleteBySomebody(root.id)
				} else {
					w.webex.set(func(f *fakeWebex) {
						f.meet = func(c aCall) *trouble {
							if c.op == "post" && c.parent != "" {
								return &trouble{status: 400}
							}
							return nil
						}
					})
				}
				w.fold(1, say("the last word"))
				w.pass(10 * time.Second)
				post, ops := w.store.post(key(1), "noc"), w.ops()[before:]
				if deleted {
					require.Equal(t, []string{"reply 400", "edit 404", "post"}, ops[:3])
					require.NotEqual(t, root.id, post.RootID)
					require.Zero(t, w.store.pending())
					return
				}
				require.Equal(t, []string{"reply 400", map[bool]string{true: "edit", false: "edit 400"}[open], "reply 400"}, ops)
				require.Equal(t, store.PostDead, post.State)
				require.Equal(t, root.id, post.RootID, "the problem has no second root")
			})
		}
	}
}

// A card that is the root can't be probed by an edit: it is replaced, and never shown beside its successor.
func TestARefusedReplyToACardReplacesTheCard(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.webex.meets(func(c aCall) *trouble {
			if strings.Contains(c.markdown, "line:") {
				return &trouble{status: 400}
			}
			return nil
		})
		w.fold(1, nil, "card")
		w.pass(time.Second)
		w.fold(1, say("looking"))
		w.pass(5 * time.Second)
		require.Equal(t, []string{"card", "reply 400", "delete", "card"}, w.ops())
		require.Len(t, w.webex.live("R-card"), 1)
		require.Zero(t, w.store.pending())
	})
}

func TestARefusedCardIsSkipped(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.webex.meets(func(c aCall) *trouble {
			if c.card {
				return &trouble{status: 400}
			}
			return nil
		})
		w.fold(1, nil, "noc")
		w.pass(5 * time.Second)
		require.Zero(t, w.store.pending())
		require.Equal(t, store.PostLive, w.store.post(key(1), "noc").State)
		w.fold(1, resolve)
		w.pass(time.Second)
		require.Contains(t, w.texts("noc")[0], "resolved")
		require.Zero(t, w.store.pending())
	})
}

// Each time a room begins to refuse messages, the default room gets one new message about that; none while it keeps
// refusing, also after a restart.
func TestARoomIsAnnouncedEachTimeItRefuses(t *testing.T) {
	type act func(w *world)
	n := 0
	problem := func(w *world) { n++; w.fold(n, nil, "db"); w.pass(5 * time.Second) }
	refuses := func(w *world) { w.webex.set(func(f *fakeWebex) { delete(f.rooms, "R-db") }) }
	takes := func(w *world) { w.webex.set(func(f *fakeWebex) { f.rooms["R-db"] = true }) }
	restart := func(w *world) { w.stop(); w.start() }
	notice := func(w *world) {
		w.notice(store.Notice{Kind: store.NoticeNotify, Room: "db", Markdown: "a notice"})
		w.pass(time.Second)
	}
	answer := func(w *world) {
		w.notice(store.Notice{Kind: store.NoticeAnswer, RoomID: "R-db", Bot: "noc", Markdown: "an answer"})
		w.pass(time.Second)
	}
	storm := func(w *world) {
		var written store.Fold
		for range 20 {
			n++
			written = both(written, w.store.fold(key(n), nil, "db"))
		}
		w.d.Notify(written)
		w.pass(time.Minute)
	}
	for name, tc := range map[string]struct {
		steps []act
		want  int
	}{
		"it accepts none again":                 {[]act{refuses, problem, problem, problem}, 1},
		"a problem in between":                  {[]act{refuses, problem, problem, takes, problem, refuses, problem, problem}, 2},
		"thrice":                                {[]act{refuses, problem, takes, problem, refuses, problem, takes, problem, refuses, problem}, 3},
		"a notice in between":                   {[]act{refuses, problem, takes, notice, refuses, problem}, 2},
		"the answer to a command in between":    {[]act{refuses, problem, takes, answer, refuses, problem}, 2},
		"a restart in between":                  {[]act{refuses, problem, restart, problem, restart, problem}, 1},
		"a restart before it accepts one again": {[]act{refuses, problem, restart, takes, problem, refuses, problem}, 2},
		"a restart before it refuses again":     {[]act{refuses, problem, takes, problem, restart, refuses, problem}, 2},
		"nothing is sent to it in between":      {[]act{refuses, problem, takes, refuses, problem}, 1},
		"a storm":                               {[]act{refuses, storm, takes, problem, refuses, storm}, 2},
		"a digest in between":                   {[]act{refuses, problem, takes, storm, refuses, storm}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			n = 0
			inWorld(t, nil, func(t *testing.T, w *world) {
				for _, do := range tc.steps {
					do(w)
				}
				said := 0
				for _, m := range w.webex.live("R-default") {
					if strings.Contains(m.markdown, "**Room `db` refuses messages.**") {
						require.Zero(t, m.edits, "an edit notifies nobody")
						said++
					}
				}
				require.Equal(t, tc.want, said)
				require.Zero(t, w.store.pending())
			})
		})
	}
}
