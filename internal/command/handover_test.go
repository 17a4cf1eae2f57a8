package command

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
)

var handingOver = append([]config.Person{{Email: "bob@example.com", Role: config.RoleOperator}, {Email: "vera@example.com", Role: config.RoleViewer}}, admins...)

// Wherever the relay crashes, the list is posted once, the owner changes once, and both people are told.
func TestHandoverAcrossCrashes(t *testing.T) {
	acrossCrashes(t, 12, Input{Text: "handover bob@example.com the vendor comes at 9", Room: "noc", Person: alice}, func(_ *testing.T, w *world) {
		w.people = handingOver
		p := w.find(alert.ParseKey("main/4711"))
		p.Owner = alert.Owner{Email: "alice@example.com"}
		w.put(p)
	}, func(t *testing.T, w *world, what string) {
		require.Equal(t, store.CommandDone, w.command("M1").State, what)
		require.Len(t, w.calls("main"), 1, what)
		require.Contains(t, w.calls("main")[0].Message, "[relay:owner=bob@example.com]", what)
		lists, replies := 0, 0
		for _, n := range w.notices() {
			if strings.Contains(n.Markdown, "🔁 **Handover** from Alice") {
				lists++
				require.Contains(t, n.Markdown, "<@personEmail:bob@example.com", what)
				require.Contains(t, n.Markdown, "Problems that get another owner: 1.", what)
				require.Contains(t, n.Markdown, "the vendor comes at 9", what)
			}
			if n.ParentID == "M1" && strings.Contains(n.Markdown, "Handed over `main/4711`") {
				replies++
			}
		}
		require.Equal(t, 1, lists, what)
		require.Equal(t, 1, replies, "%s: %v", what, w.answers())
		marks := map[string]bool{}
		for _, u := range w.updates(t) {
			marks[u.Message] = true
		}
		require.Len(t, marks, 1, what)
	})
}

// If Zabbix is away, the list is posted at once, and the owner changes when it is back, also after a restart. If that takes too long, the
// reply says so.
func TestHandoverWhileZabbixIsAway(t *testing.T) {
	for name, back := range map[string]bool{"back": true, "away for too long": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := adminWorld()
				w.people = handingOver
				p := w.find(alert.ParseKey("main/4711"))
				p.Owner = alert.Owner{Email: "alice@example.com"}
				w.put(p)
				w.setDown("main", true)
				r := w.start(t)
				r.receives("M1", Input{Text: "handover bob@example.com", Room: "noc", Person: alice})
				time.Sleep(time.Minute)
				synctest.Wait()
				all := strings.Join(w.answers(), "\n")
				require.Contains(t, all, "🔁 **Handover** from Alice")
				require.Contains(t, all, "⏳")
				r.stop()
				if back {
					w.setDown("main", false)
				}
				r = w.start(t)
				defer func() { r.stop() }()
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				all = strings.Join(w.answers(), "\n")
				require.Equal(t, 1, strings.Count(all, "🔁 **Handover** from Alice"))
				if !back {
					require.Contains(t, all, "⌛ Couldn't hand over")
					require.Equal(t, store.CommandExpired, w.command("M1").State)
					require.Empty(t, w.calls("main"))
					return
				}
				require.Len(t, w.calls("main"), 1)
				require.Contains(t, all, "✅ Handed over")
			})
		})
	}
}

// A handover to somebody who can't act, or whom the relay can't find, does nothing and says why.
func TestHandoverIsRefused(t *testing.T) {
	for said, want := range map[string]string{
		"handover vera@example.com":      "vera&#64;example.com can't act in this room: it takes the role **operator**",
		"handover stranger@example.com":  "stranger&#64;example.com can't act in this room",
		"handover nobody-like-that":      "I don't know `nobody-like-that`, so I did nothing",
		"handover @Zoe":                  "I don't know `zoe`, so I did nothing",
		"handover alice@example.com now": "You can't hand over to yourself",
		"handover":                       "To whom?",
	} {
		t.Run(said, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := adminWorld()
				w.people = handingOver
				p := w.find(alert.ParseKey("main/4711"))
				p.Owner = alert.Owner{Email: "alice@example.com"}
				w.put(p)
				r := w.start(t)
				defer r.stop()
				r.receives("M1", Input{Text: said, Room: "noc", Person: alice})
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Len(t, w.answers(), 1)
				require.Contains(t, w.lastAnswer(), want)
				require.Empty(t, w.calls("main"))
				require.NotContains(t, w.lastAnswer(), "🔁")
			})
		})
	}
}
