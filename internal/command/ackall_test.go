package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// digested creates n problems of both sources in a digest of the room noc.
func (w *world) digested(n int) {
	var posts []store.Post
	for i := range n {
		source := "main"
		if i%3 == 0 {
			source = "lab"
		}
		posts = append(posts, store.Post{Key: w.problem(fmt.Sprintf("%s/%d", source, 1000+i)), Room: "noc", Desired: 1, Open: true, Group: w.groups["DIGEST"]})
	}
	w.commit(store.Fold{Posts: posts})
}

// "ack all" in a digest's thread asks first. After a confirmation it acknowledges each open problem once, with
// the person's words, and replies once.
func TestAckAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.digested(75)
		acked, over := alert.ParseKey("main/1001"), alert.ParseKey("main/1002")
		p := w.find(acked)
		p.Acknowledged = true
		w.put(p)
		p = w.find(over)
		p.State = alert.StateResolved
		w.put(p)
		young := w.find(alert.ParseKey("main/1004"))
		young.OpenedAt = time.Now().Add(time.Hour)
		w.put(young)
		other := w.problem("main/1", "noc") // not in the digest
		require.NotEmpty(t, other)
		r := w.start(t)
		defer r.stop()

		r.receives("M1", Input{Text: "ack all", Room: "noc", ParentID: "DIGEST"})
		synctest.Wait()
		require.Empty(t, w.calls("main"))
		require.Len(t, w.answers(), 1)
		require.Contains(t, w.answers()[0], "**72 problems**")
		require.Contains(t, w.answers()[0], "`confirm`")

		r.receives("M2", Input{Text: "ack ALL yes on it", Room: "noc", ParentID: "DIGEST"})
		time.Sleep(time.Minute)
		synctest.Wait()
		seen := map[string]int{}
		for _, source := range []string{"main", "lab"} {
			for _, c := range w.calls(source) {
				require.True(t, c.Ack)
				require.True(t, strings.HasSuffix(c.Message, "): on it"), c.Message)
				seen[source+"/"+c.EventIDs[0]]++
			}
		}
		require.Len(t, seen, 72)
		for k, n := range seen {
			require.Equal(t, 1, n, k)
		}
		require.Zero(t, seen["main/1001"]+seen["main/1002"]+seen["main/1004"]+seen["main/1"])
		require.Len(t, w.answers(), 2)
		require.Equal(t, "✅ Acknowledged all 72 open problems of this digest", w.answers()[1])
		require.Equal(t, store.CommandDone, w.command("M2").State)
		for _, u := range w.updates(t) {
			require.True(t, u.Wide, "the act is wide")
		}
	})
}

// The button of the question confirms like a reply: once, and only in the digest's room.
func TestAckAllByButton(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.digested(30)
		r := w.start(t)
		defer r.stop()
		r.receives("M1", Input{Text: "ack all", Room: "noc", ParentID: "DIGEST"})
		synctest.Wait()
		var card struct {
			Actions []struct {
				Type string
				Data map[string]any
			}
		}
		require.NoError(t, json.Unmarshal(w.notices()[0].Card, &card))
		require.Contains(t, w.notices()[0].Markdown, "`confirm`", "for clients without cards")
		data := card.Actions[0].Data
		require.EqualValues(t, 1, data["relay"])
		press := &Button{Action: data["action"].(string), Key: data["key"].(string), Comment: "on it", MessageID: "CARD-OF-M1"}

		r.receives("M2", Input{Button: press, Room: "db", ParentID: "CARD-OF-M1"})
		synctest.Wait()
		require.Empty(t, append(w.calls("main"), w.calls("lab")...), "another room's digest")
		r.receives("M3", Input{Button: press, Room: "noc", ParentID: "CARD-OF-M1"})
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, append(w.calls("main"), w.calls("lab")...), 30)
		for _, c := range w.calls("main") {
			require.True(t, strings.HasSuffix(c.Message, "): on it"), c.Message)
		}
		require.Equal(t, "✅ Acknowledged all 30 open problems of this digest", w.answers()[2])
		require.Equal(t, "DIGEST", w.notices()[2].ParentID)
		require.Equal(t, store.CommandDone, w.command("M3").State)
	})
}

// The confirmation acknowledges what the question counted, not what has come to the digest since: opened later, or reported later.
func TestAckAllConfirmsTheQuestion(t *testing.T) {
	for name, press := range map[string]Input{
		"button": {Button: &Button{Action: buttonConfirm, Key: "M1", MessageID: "CARD-OF-M1"}, Room: "noc"},
		"words":  {Text: "confirm", Room: "noc", ParentID: "DIGEST"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.digested(6)
				r := w.start(t)
				defer r.stop()
				r.receives("M1", Input{Text: "ack all", Room: "noc", ParentID: "DIGEST"})
				synctest.Wait()
				require.Contains(t, w.answers()[0], "This will acknowledge **6 problems**")
				time.Sleep(10 * time.Minute)
				for i := range 40 {
					p := w.find(w.problem(fmt.Sprintf("main/%d", 8100+i)))
					if i%2 == 0 {
						p.OpenedAt = time.Now().Add(-time.Minute)
						w.put(p)
						w.member(p.Key, "DIGEST", true, time.Time{})
						continue
					}
					p.OpenedAt = time.Now().Add(-time.Hour)
					w.put(p)
					w.member(p.Key, "DIGEST", true, time.Now())
				}
				r.receives("M2", press)
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Equal(t, "✅ Acknowledged all 6 open problems of this digest", w.answers()[len(w.answers())-1])
			})
		})
	}
}

// In a flapping trigger's thread a command without an id is about the open opening, or the newest. It gets a
// reply there, since that problem gets its own message.
func TestFlappingThread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		at := time.Now()
		var keys []alert.Key
		opens := func(n int, open bool) { w.member(keys[n], "FLAP", open, at.Add(time.Duration(n-3)*time.Minute)) }
		for n, open := range []bool{false, true, false} {
			k := w.problem(fmt.Sprintf("main/%d", 6000+n))
			keys = append(keys, k)
			opens(n, open)
		}
		r := w.start(t)
		defer r.stop()
		r.receives("M1", Input{Text: "ack on it", Room: "noc", ParentID: "FLAP"})
		synctest.Wait()
		require.Len(t, w.calls("main"), 1)
		require.Equal(t, "6001", w.calls("main")[0].EventIDs[0])
		require.Equal(t, []string{"✅ Acknowledged `main/6001` problem 6001"}, w.answers())
		require.False(t, w.updates(t)[0].Wide, "the act is about one problem")

		opens(1, false)
		r.receives("M2", Input{Text: "comment what was it", Room: "noc", ParentID: "FLAP"})
		r.receives("M3", Input{Text: "comment not here", Room: "db", ParentID: "FLAP"})
		synctest.Wait()
		require.Len(t, w.calls("main"), 2)
		require.Equal(t, "6002", w.calls("main")[1].EventIDs[0])
		opens(1, true)
		opens(2, true)
		r.receives("M4", Input{Text: "ack", Room: "noc", ParentID: "FLAP"})
		synctest.Wait()
		require.Len(t, w.calls("main"), 2, "with two open ones it asks which")
		require.Equal(t, store.CommandFailed, w.command("M4").State)

		opens(1, false)
		id := w.groups["FLAP"]
		w.commit(store.Fold{Posts: []store.Post{{Key: keys[2], Room: "noc", Desired: 1, Open: true, JoinedAt: at.Add(-time.Minute), Group: id, GroupRevision: 2}}})
		r.receives("M5", Input{Text: "ack", Room: "noc", ParentID: "FLAP"})
		synctest.Wait()
		require.Len(t, w.calls("main"), 2, "the open one isn't shown yet")
		must(w.SaveGroup(t.Context(), id, store.GroupCursor{MessageID: "FLAP", Shown: 1, Notified: 2}))
		r.receives("M6", Input{Text: "ack", Room: "noc", ParentID: "FLAP"})
		synctest.Wait()
		require.Len(t, w.calls("main"), 3, "the room was notified of it")
	})
}

// A command that was read late is about the opening that the person saw. It is never about one that they may not have seen.
func TestOpeningOfALateCommand(t *testing.T) {
	sent := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	post := func(id string, joined time.Duration, open bool, revision int64) store.Post {
		return store.Post{Key: alert.Key{Source: "main", EventID: id}, JoinedAt: sent.Add(joined), Open: open, GroupRevision: revision}
	}
	for name, c := range map[string]struct {
		posts []store.Post
		want  string
	}{
		"it is open":                          {[]store.Post{post("1", -2, false, 1), post("2", -1, true, 2)}, "2"},
		"it resolved, and another opened":     {[]store.Post{post("2", -1, false, 2), post("3", time.Hour, true, 3)}, "2"},
		"it is open, and so is a later":       {[]store.Post{post("2", -1, true, 2), post("3", time.Hour, true, 3)}, "2"},
		"another opened in the same moment":   {[]store.Post{post("2", -1, true, 2), post("3", time.Second, true, 2)}, ""},
		"two were open":                       {[]store.Post{post("1", -2, true, 1), post("2", -1, true, 2)}, ""},
		"all of them opened afterwards":       {[]store.Post{post("3", time.Hour, true, 3)}, ""},
		"none is open: the newest of then":    {[]store.Post{post("2", -1, false, 2), post("1", -2, false, 1), post("3", 1, false, 2)}, "2"},
		"an open one isn't shown yet":         {[]store.Post{post("2", -2, false, 2), post("3", -1, true, 3)}, ""},
		"an open one is shown, another isn't": {[]store.Post{post("2", -2, true, 2), post("3", -1, true, 3)}, ""},
		"a resolved one was never shown":      {[]store.Post{post("2", -2, false, 2), post("3", -1, false, 3)}, "2"},
	} {
		require.Equal(t, c.want, currentOpening(c.posts, 2, sent).EventID, name)
	}
}

// "ack all" needs the role. Outside of a digest's thread "all" is one of the person's words.
func TestAckAllElsewhere(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		w.digested(3)
		r.receives("M1", Input{Text: "ack all good again", Room: "noc", ParentID: "ROOT-main/4711@noc"})
		synctest.Wait()
		require.Len(t, w.calls("main"), 1)
		require.True(t, strings.HasSuffix(w.calls("main")[0].Message, "): all good again"))
		require.False(t, w.updates(t)[0].Wide)
		r.receives("M2", Input{Text: "ack all yes", Room: "db", ParentID: "DIGEST"})
		synctest.Wait()
		require.Len(t, w.calls("main"), 1, "another room's digest")
	})
}

// Wherever the relay crashes, each problem is acknowledged exactly once and there is one reply.
func TestAckAllCrashes(t *testing.T) {
	for _, lost := range []bool{false, true} {
		for crash := 0; crash < 170; crash += 11 {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.digested(130)
				w.crash, w.lost = crash, lost
				r := w.start(t)
				r.receives("M1", Input{Text: "ack all yes", Room: "noc", ParentID: "DIGEST"})
				time.Sleep(time.Minute)
				synctest.Wait()
				r.stop()
				w.crash = -1
				r = w.start(t)
				defer r.stop()
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				seen := map[string]int{}
				for _, source := range []string{"main", "lab"} {
					for _, c := range w.calls(source) {
						seen[source+"/"+c.EventIDs[0]]++
					}
				}
				require.Len(t, seen, 130, "crash %d, lost %v", crash, lost)
				for k, n := range seen {
					require.Equal(t, 1, n, "%s: crash %d, lost %v", k, crash, lost)
				}
				require.Equal(t, store.CommandDone, w.command("M1").State)
				require.Len(t, w.answers(), 1)
				require.Contains(t, w.answers()[0], "cknowledged all 130 open problems")
			})
		}
	}
}

// 3,000 problems take less than 30 seconds if Zabbix answers in 50 ms, also if one of them fails each call that
// names it. The progress is one message, which becomes the summary.
func TestAckAllOfThousands(t *testing.T) {
	for name, bad := range map[string]bool{"all succeed": false, "one fails": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.digested(3000)
				for _, z := range w.zabbixes {
					z.took = 50 * time.Millisecond
				}
				if bad {
					delete(w.zabbixes["main"].events, "2501")
				}
				r := w.start(t)
				defer r.stop()
				began := time.Now()
				r.receives("M1", Input{Text: "ack all yes on it", Room: "noc", ParentID: "DIGEST"})
				synctest.Wait()
				require.Equal(t, []string{"⏳ Acknowledging 3,000 problems. I'll update this message as I go."}, w.answers())
				bodies := map[string]bool{}
				for w.command("M1").DoneAt.IsZero() {
					time.Sleep(100 * time.Millisecond)
					for _, n := range w.answers() {
						bodies[n] = true
					}
				}
				require.Less(t, time.Since(began), 30*time.Second)
				synctest.Wait()
				require.Less(t, w.zabbixes["main"].asked+w.zabbixes["lab"].asked, 60)
				require.Contains(t, bodies, "⏳ Acknowledging 3,000 problems: 1,500 done so far.")
				require.LessOrEqual(t, len(bodies), 6, "a message can be edited ten times")
				seen := map[string]int{}
				for _, source := range []string{"main", "lab"} {
					for _, c := range w.calls(source) {
						seen[source+"/"+c.EventIDs[0]]++
					}
				}
				for k, n := range seen {
					require.Equal(t, 1, n, k)
				}
				if !bad {
					require.Equal(t, []string{"✅ Acknowledged all 3,000 open problems of this digest"}, w.answers())
					require.Len(t, seen, 3000)
					return
				}
				require.Len(t, seen, 2999)
				require.Len(t, w.answers(), 2)
				require.Equal(t, "⚠️ Acknowledged 2,999 of 3,000 problems. The summary is in the next message.", w.answers()[0])
				require.Contains(t, w.answers()[1], "⚠️ Acknowledged 2,999 of 3,000 problems of this digest:\n\n- 🚫 Couldn't acknowledge `main/2501`")
				require.Equal(t, store.CommandFailed, w.command("M1").State)
			})
		})
	}
}

// Whichever of several problems Zabbix refuses, the act is executed once on each of the others, and the reply names all.
func TestBadIDFailsAlone(t *testing.T) {
	for bad := range 1 << 5 {
		story(t, func(t *testing.T, w *world, r *relay) {
			text := "comment"
			for i := range 5 {
				k := w.problem(fmt.Sprintf("main/%d", 100+i), "noc")
				if bad&(1<<i) != 0 {
					delete(w.zabbixes["main"].events, k.EventID)
				}
				text += " " + k.EventID
			}
			r.receives("M1", Input{Text: text + " on it", Room: "noc"})
			synctest.Wait()
			require.Len(t, w.answers(), 1)
			for i := range 5 {
				done, refused := strings.Contains(w.answers()[0], fmt.Sprintf("Commented on `main/%d`", 100+i)), strings.Contains(w.answers()[0], fmt.Sprintf("Couldn't comment on `main/%d`", 100+i))
				require.Equal(t, bad&(1<<i) == 0, done, w.answers()[0])
				require.Equal(t, bad&(1<<i) != 0, refused, w.answers()[0])
			}
			require.Len(t, w.updates(t), 5-bits.OnesCount(uint(bad)))
		})
	}
}

// After a lost answer in the middle, each problem is still acknowledged exactly once.
func TestAckAllLostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.digested(30)
		w.zabbixes["main"].fail = []failure{{err: errors.New("odd")}}
		r := w.start(t)
		defer r.stop()
		r.receives("M1", Input{Text: "ack all yes", Room: "noc", ParentID: "DIGEST"})
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Len(t, w.calls("main"), 20)
		require.Len(t, w.calls("lab"), 10)
		answers := w.answers()
		require.Contains(t, answers[len(answers)-1], "cknowledged all 30 open problems")
	})
}

// Of a digest, only the problem that the store can't read isn't acknowledged, whether it was damaged before or after the command
// was accepted. The reply names it.
func TestAckAllUnreadableProblem(t *testing.T) {
	for name, accepted := range map[string]bool{"before": false, "after": true} {
		for _, n := range []int{30, wideParts + 30} {
			t.Run(fmt.Sprint(name, " ", n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld()
					w.digested(n)
					r := w.start(t)
					defer r.stop()
					damaged := alert.ParseKey("main/1001")
					if accepted {
						w.setDown("main", true)
						w.setDown("lab", true)
					} else {
						w.unread.Store(damaged, true)
						r.receives("M0", Input{Text: "ack all", Room: "noc", ParentID: "DIGEST"})
						synctest.Wait()
						require.Contains(t, w.answers()[0], fmt.Sprintf("**%d problems**", n))
					}
					r.receives("M1", Input{Text: "ack all yes", Room: "noc", ParentID: "DIGEST"})
					synctest.Wait()
					w.unread.Store(damaged, true)
					w.setDown("main", false)
					w.setDown("lab", false)
					time.Sleep(5 * time.Minute)
					synctest.Wait()
					calls := append(w.calls("main"), w.calls("lab")...)
					require.Len(t, calls, n-1)
					for _, c := range calls {
						require.NotEqual(t, []string{damaged.EventID}, c.EventIDs)
					}
					answers := w.answers()
					require.Contains(t, answers[len(answers)-1], fmt.Sprintf("Acknowledged %d of %d problems", n-1, n))
					require.Contains(t, answers[len(answers)-1], damagedProblem(damaged, voice{several: true}))
					require.Equal(t, store.CommandFailed, w.command("M1").State)
				})
			})
		}
	}
}

// A problem in a digest can be acted on and shown by its id like any other. Then it leaves the digest.
func TestIDsInDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.digested(5)
		r := w.start(t)
		defer r.stop()
		r.receives("M1", Input{Text: "ack 1001 on it", Room: "noc", ParentID: "DIGEST"})
		r.receives("M2", Input{Text: "close 1002", Room: "noc"})
		r.receives("M3", Input{Text: "show 1004", Room: "noc", ParentID: "DIGEST"})
		synctest.Wait()
		calls := w.calls("main")
		require.Len(t, calls, 2)
		require.Equal(t, "1001", calls[0].EventIDs[0])
		require.True(t, calls[0].Ack)
		require.Equal(t, "1002", calls[1].EventIDs[0])
		require.True(t, calls[1].Close)
		answers := w.answers()
		require.Len(t, answers, 3)
		require.Contains(t, strings.Join(answers, "\n"), "✅ Acknowledged `main/1001`")
		require.Contains(t, strings.Join(answers, "\n"), "1004")
		for _, u := range w.updates(t) {
			require.False(t, u.Wide)
		}
		r.receives("M4", Input{Text: "ack 1001", Room: "db"})
		synctest.Wait()
		require.Len(t, w.calls("main"), 2, "another room doesn't know it")
	})
}
