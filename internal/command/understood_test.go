package command

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// A command that was sent to Zabbix had an effect, whatever its outcome. A command that was answered with a question hadn't.
func TestHadEffect(t *testing.T) {
	refused := func(kind zabbix.ErrorKind) []failure { return []failure{{err: &zabbix.Error{Kind: kind}}} }
	for name, c := range map[string]struct {
		said string
		fail []failure
		away bool // all the time
		want bool
	}{
		"refused":             {"close 4711", refused(zabbix.CloseForbidden), false, true},
		"one of two refused":  {"close 4711 4712", append(refused(zabbix.CloseForbidden), refused(zabbix.CloseForbidden)...), false, true},
		"the role forbids it": {"ack 4711", refused(zabbix.RoleForbids), false, true},
		"unsupported":         {"ack 4711 x", refused(zabbix.Unsupported), false, true},
		"invalid":             {"ack 4711 x", refused(zabbix.Invalid), false, true},
		"expired":             {"ack 4711", nil, true, true},
		"misspelt":            {"akc 4711", nil, false, false},
		"an unknown id":       {"ack 9999", nil, false, false},
		"no id":               {"ack", nil, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, w *world, r *relay) {
				w.zabbixes["main"].fail = c.fail
				w.setDown("main", c.away)
				r.receives("M1", Input{Text: c.said, Room: "noc"})
				time.Sleep(3 * time.Hour)
				synctest.Wait()
				require.Contains(t, []store.CommandState{store.CommandFailed, store.CommandExpired}, w.command("M1").State)
				require.Equal(t, c.want, HadEffect(w.command("M1")))
			})
		})
	}
}

// A command that chat couldn't read ends without a reply, or with one in a configured room.
func TestUnreadCommands(t *testing.T) {
	claimed := store.Command{ID: "M1/edit/2", Bot: "relay", RoomID: "ROOM-noc", CreatedAt: time.Now()}
	for name, c := range map[string]struct {
		end  func(r *relay, c store.Command) error
		want string // "" for no reply
	}{
		"ignored": {func(r *relay, c store.Command) error { return r.Ignore(t.Context(), c) }, ""},
		"unreadable": {func(r *relay, c store.Command) error {
			c.State, c.Room = store.CommandFailed, "noc"
			return r.GiveUp(t.Context(), c, errors.New("couldn't be read"))
		}, "Webex didn't let me read this"},
		"expired": {func(r *relay, c store.Command) error {
			c.State, c.Room = store.CommandExpired, "noc"
			return r.GiveUp(t.Context(), c, errors.New("couldn't be read"))
		}, "so nothing was done. If you still want it, send it again."},
		"another room": {func(r *relay, c store.Command) error {
			c.State = store.CommandExpired
			return r.GiveUp(t.Context(), c, errors.New("couldn't be read"))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, w *world, r *relay) {
				_, err := w.ClaimCommand(t.Context(), claimed)
				require.NoError(t, err)
				require.NoError(t, c.end(r, claimed))
				require.NotEmpty(t, w.command(claimed.ID).State)
				require.NotEqual(t, store.CommandReceived, w.command(claimed.ID).State)
				if c.want == "" {
					require.Empty(t, w.answers())
					return
				}
				require.Len(t, w.answers(), 1)
				require.Contains(t, w.answers()[0], c.want)
				require.Equal(t, "M1", w.notices()[0].ParentID, "in the message's thread, whichever version it was")
			})
		})
	}
}

// An edit takes the place of a question that nobody has confirmed: its button and `approve` do nothing any more. Once somebody has
// confirmed it, edits are too late.
func TestEditReplacesTheQuestion(t *testing.T) {
	maintained(t, func(t *testing.T, w *world, r *relay, say func(Person, string) string) {
		many := six(w)
		edits := func(id, text string) bool {
			current, err := r.ReplaceQuestions(t.Context(), store.Command{ID: id})
			require.NoError(t, err)
			if current {
				r.receives(id, Input{Text: text, Room: "noc", Person: ann})
				synctest.Wait()
			}
			return current
		}
		confirms := func(id, key string) string {
			before := len(w.answers())
			in := Input{Text: "approve", Room: "noc", ParentID: "M1", Person: ann}
			if key != "" {
				in = Input{Button: &Button{Action: buttonConfirm, Key: key, MessageID: "Q"}, Room: "noc", Person: ann}
			}
			r.receives(id, in)
			synctest.Wait()
			return strings.Join(w.answers()[before:], "\n")
		}
		require.Contains(t, say(ann, "ack"+many+" lnk"), "This will acknowledge **6 problems**")
		require.False(t, HadEffect(w.command("M1")))
		require.True(t, edits("M1/edit/1", "akc"))
		require.Contains(t, w.lastAnswer(), "Did you mean")
		require.Contains(t, confirms("C1", "M1"), "was edited since, so I did nothing")
		require.Contains(t, confirms("C2", ""), "No question of mine waits")
		require.True(t, edits("M1/edit/2", "ack"+many+" link"))
		require.True(t, edits("M1/edit/2", ""), "read again after a crash")
		require.Contains(t, confirms("C3", "M1"), "was edited since")
		require.Empty(t, w.calls("main"))
		for _, id := range []string{"M1", "M1/edit/1", "M1/edit/2"} {
			require.False(t, HadEffect(w.command(id)), id)
		}
		require.Contains(t, confirms("C4", ""), "✅", "the only question that is open")
		require.Len(t, w.calls("main"), 6)
		require.Contains(t, w.calls("main")[0].Message, ": link")
		require.True(t, HadEffect(w.command("M1/edit/2")))
		require.False(t, edits("M1/edit/3", "unack"+many))
	})
}
