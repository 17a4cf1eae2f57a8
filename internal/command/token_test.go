package command

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/seal"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/testlog"
	"nms-alert-relay/internal/vault"
	"nms-alert-relay/internal/zabbix"
)

var (
	aliceToken = strings.Repeat("a1", 32)
	otherToken = strings.Repeat("b2", 32)
)

func sealKey(t *testing.T, b byte) seal.Key {
	k, err := seal.ParseKey(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)))
	require.NoError(t, err)
	return k
}

// entrusting is a world in which tokens can be kept, with the relay, and its log.
func entrusting(t *testing.T) (*world, *testlog.Lines) {
	w, log := newWorld(), new(testlog.Lines)
	w.log = log.Logger()
	w.vault = vault.New(w.Store, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	require.NoError(t, w.vault.Use(t.Context(), seal.Keys{sealKey(t, 1)}))
	w.names.Sources = map[string]string{"main": "https://zabbix.example.com", "lab": ""}
	w.zabbixes["main"].tokens = map[string]zabbix.TokenOwner{aliceToken: {Username: "alice", FullName: "Alice <@all> `x`", Expires: time.Now().AddDate(0, 1, 0)}}
	return w, log
}

// person sends messages and presses in the direct chat.
type chatter struct {
	*relay
	n int
}

func (c *chatter) says(in Input) string {
	c.n++
	id := fmt.Sprintf("T%d", c.n)
	in.Direct = in.Room == ""
	c.receives(id, in)
	time.Sleep(time.Minute)
	synctest.Wait()
	return id
}

func (c *chatter) presses(action, key, token string) string {
	return c.says(Input{Button: &Button{Action: action, Key: key, MessageID: "CARD", Token: config.NewSecret(token)}})
}

// last returns the newest notice.
func (c *chatter) last() store.Notice {
	all := c.w.notices()
	return all[len(all)-1]
}

// card returns the notice with the card of a command.
func (c *chatter) card(asked string) store.Notice {
	for _, n := range c.w.notices() {
		if n.Dedup == "command:"+asked {
			return n
		}
	}
	return store.Notice{}
}

// enter enters a token, and confirms it.
func (c *chatter) enter(token string) {
	asked := c.says(Input{Text: "token main"})
	c.presses(tokenEnter, "main/"+asked, token)
	c.presses(tokenYes, "main/"+asked, "")
}

// A token is entered into a card, checked, shown with its user's name, and used only once its person has confirmed it. Then what they do
// is theirs in Zabbix. `forget me` ends that.
func TestOwnToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, log := entrusting(t)
		for _, id := range []string{"1", "2", "3", "4"} {
			w.problem("main/"+id, "noc")
		}
		c := &chatter{relay: w.start(t)}
		defer c.stop()

		asked := c.says(Input{Text: "token main"})
		require.Contains(t, c.last().Markdown, "Your own API token for Zabbix main")
		require.Contains(t, c.last().Markdown, "and forget it with `forget me`.")
		require.Contains(t, string(c.last().Card), `"id":"token"`)
		require.Contains(t, string(c.last().Card), "https://zabbix.example.com/zabbix.php?action=user.token.list")
		c.presses(tokenEnter, "main/"+asked, "  "+aliceToken+"\n")
		require.Len(t, w.notices(), 1, "one card, replaced")
		require.Contains(t, c.last().Markdown, "This is a token of the Zabbix user alice ")
		require.NotContains(t, c.last().Markdown, "<@all>")
		require.NotContains(t, string(c.last().Card), `"id":"token"`, "the field is gone")

		c.says(Input{Text: "ack main/1", Room: "noc"})
		require.Equal(t, []string{""}, w.zabbixes["main"].as, "not confirmed yet")
		c.presses(tokenYes, "main/"+asked, "")
		require.Contains(t, c.card(asked).Markdown, "what you do in Zabbix main is done as its user alice")
		require.Contains(t, c.card(asked).Markdown, "expires on")

		c.says(Input{Text: "ack main/2 on it", Room: "noc"})
		c.says(Input{Text: "take main/3", Room: "noc"})
		require.Equal(t, []string{"", "alice", "alice"}, w.zabbixes["main"].as)
		calls := w.calls("main")
		require.Regexp(t, `^Alice Example <alice@example.com> \(Webex #`, calls[0].Message)
		require.Regexp(t, `^\(via Webex #[a-z2-7]{8}\): on it$`, calls[1].Message, "Zabbix knows who it was")
		require.Regexp(t, `^\(via Webex #[a-z2-7]{8}\): Taken by Alice Example \(via Webex\) \[relay:owner=alice@example.com\]$`, calls[2].Message)
		require.Equal(t, "Alice Example", w.updates(t)[1].Actor.Name, "rooms show the person")
		require.Contains(t, w.command("T5").Outcome, "as the Zabbix user alice", "the audit log says so")

		c.says(Input{Text: "ack main/1", Room: "noc", Person: Person{ID: "PERSON-oscar", Email: "oscar@ops.example.com"}})
		c.says(Input{Text: "forget me"})
		require.Contains(t, c.last().Markdown, "I forgot your Zabbix API token")
		c.says(Input{Text: "forget me"})
		require.Contains(t, c.last().Markdown, "I have no Zabbix API token of yours")
		c.says(Input{Text: "ack main/4", Room: "noc"})
		require.Equal(t, "", w.zabbixes["main"].as[len(w.zabbixes["main"].as)-1])
		w.noToken(t, log, aliceToken)
	})
}

// noToken requires that a token is nowhere: not in a command, notice, journal entry or log, and not in the clear where it is kept.
func (w *world) noToken(t *testing.T, log *testlog.Lines, token string) {
	t.Helper()
	all, err := w.RecentCommands(t.Context(), time.Time{}, time.Time{})
	require.NoError(t, err)
	tokens, err := w.AllPersonTokens(t.Context())
	require.NoError(t, err)
	stored, err := json.Marshal(map[string]any{"commands": all, "notices": w.notices(), "journal": w.entries(), "tokens": tokens})
	require.NoError(t, err)
	for _, c := range all {
		stored = append(stored, c.Detail...)
	}
	for _, n := range w.notices() {
		stored = append(stored, n.Card...)
	}
	for _, e := range w.entries() {
		stored = append(stored, e.Payload...)
	}
	require.NotContains(t, string(stored), token)
	require.NotContains(t, log.String(), token)
}

// A token isn't kept if Zabbix refuses it, can't be asked, or its person doesn't confirm its user.
func TestTokenNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, log := entrusting(t)
		c := &chatter{relay: w.start(t)}
		defer c.stop()
		kept := func() int {
			rows, err := w.AllPersonTokens(t.Context())
			require.NoError(t, err)
			return len(rows)
		}
		asked := c.says(Input{Text: "token main"})
		for token, want := range map[string]string{otherToken: "Zabbix refuses this token: API token expired", "hunter2": "That isn't an API token", "": "That isn't an API token"} {
			c.presses(tokenEnter, "main/"+asked, token)
			require.Contains(t, c.last().Markdown, want)
			require.Contains(t, string(c.last().Card), `"id":"token"`, "to try again")
		}
		w.setDown("main", true)
		c.presses(tokenEnter, "main/"+asked, aliceToken)
		require.Contains(t, c.last().Markdown, "couldn't check the token, because Zabbix main can't be reached")
		w.setDown("main", false)
		require.Zero(t, kept())

		c.presses(tokenEnter, "main/"+asked, aliceToken)
		require.Equal(t, 1, kept())
		another := c.says(Input{Text: "token main"})
		c.presses(tokenYes, "main/"+another, "")
		require.Contains(t, c.card(another).Markdown, "no longer current", "the button of another card")
		c.presses(tokenNo, "main/"+asked, "")
		require.Zero(t, kept())
		c.presses(tokenYes, "main/"+asked, "")
		require.Contains(t, c.card(asked).Markdown, "no longer current")

		c.presses(tokenEnter, "main/"+asked, aliceToken)
		require.NoError(t, c.lookThroughTokens(t.Context(), time.Now().Add(30*time.Minute)))
		require.Equal(t, 1, kept())
		require.NoError(t, c.lookThroughTokens(t.Context(), time.Now().Add(unconfirmedFor)))
		require.Zero(t, kept(), "not confirmed in time")
		w.noToken(t, log, aliceToken)
		w.noToken(t, log, otherToken)
	})
}

// A token is asked for in direct chats only, of people with a role, if it can be kept, and for a Zabbix that the relay acts in.
func TestTokenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, log := entrusting(t)
		c := &chatter{relay: w.start(t)}
		defer c.stop()
		for _, one := range []struct {
			input Input
			want  string
		}{
			{Input{Text: "token", Room: "noc"}, "in a direct chat with me"},
			{Input{Button: &Button{Action: tokenEnter, Key: "main/T1", MessageID: "CARD", Token: config.NewSecret(aliceToken)}, Room: "noc"}, "in a direct chat with me"},
			{Input{Text: "token"}, "For which Zabbix? `lab` or `main`"},
			{Input{Text: "token prod"}, "I don't know the Zabbix `prod`"},
			{Input{Text: "token main", Person: Person{Email: "carol@example.com"}}, "needs the role **operator**"},
			{Input{Text: "token " + aliceToken}, "Don't send a token as a message"},
			{Input{Text: aliceToken}, "Don't send a token as a message"},
			{Input{Text: "token main " + aliceToken, Room: "noc"}, "Don't send a token as a message"},
			{Input{Button: &Button{Action: tokenEnter, Key: "main/NONE", Token: config.NewSecret(aliceToken)}}, "I don't know this button"},
			{Input{Button: &Button{Action: tokenYes, Key: "main", Token: config.NewSecret(aliceToken)}}, "I don't know this button"},
			{Input{Text: "forget"}, "`forget me` forgets"},
			{Input{Text: "forget it all"}, "`forget me` forgets"},
		} {
			c.says(one.input)
			require.Contains(t, c.last().Markdown, one.want)
		}
		asked := c.says(Input{Text: "token main"})
		c.n++
		c.receives("OTHER", Input{Direct: true, Person: Person{ID: "PERSON-oscar", Email: "oscar@ops.example.com"}, Button: &Button{Action: tokenEnter, Key: "main/" + asked, Token: config.NewSecret(aliceToken)}})
		time.Sleep(time.Second)
		synctest.Wait()
		require.Contains(t, c.last().Markdown, "I don't know this button", "another person's card")

		require.NoError(t, w.vault.Use(t.Context(), seal.Keys{sealKey(t, 2)}))
		c.says(Input{Text: "token main"})
		require.Contains(t, c.last().Markdown, "encryption key isn't the one")
		require.NoError(t, w.vault.Use(t.Context(), nil))
		c.says(Input{Text: "token main"})
		require.Contains(t, c.last().Markdown, "encryption.keys_file")
		w.noToken(t, log, aliceToken)
	})
}

// A token in what somebody types is nowhere, whatever is around it, and the command isn't executed.
func TestTypedTokensAreNowhere(t *testing.T) {
	invisible := aliceToken[:20] + "\u200b" + aliceToken[20:40] + "\u00ad\u200d" + aliceToken[40:]
	wide := strings.Map(func(r rune) rune { return r - '!' + 0xff01 }, aliceToken)
	for _, in := range []Input{
		{Text: "ack main/1 here is the new token that I made this morning: " + aliceToken + " so please use it from now on"},
		{Text: "hello relay, my token for the Zabbix is “" + strings.ToUpper(aliceToken) + "”, thanks"},
		{Text: "ack main/1 `" + aliceToken + "`"}, {Text: "comment main/1 token_" + aliceToken + "_"}, {Text: "comment main/1 code" + aliceToken}, {Text: "comment main/1 one\ntwo " + aliceToken + "\nthree"},
		{Text: "comment main/1 " + invisible + " in pieces"}, {Text: "comment main/1 " + wide}, {Text: "ack all " + aliceToken, ParentID: "THREAD", Room: "noc"},
		{Text: "take main/1 " + aliceToken, Room: "noc", Mentions: []Mention{{Written: aliceToken}}}, {Text: aliceToken + aliceToken, Room: "noc"},
		{Room: "noc", Button: &Button{Action: "comment", Key: "main/1", MessageID: "CARD", Comment: "my token is " + aliceToken + ", use it"}},
		{Room: "noc", Button: &Button{Action: "suppress", Key: "main/1", MessageID: "CARD", For: strings.Repeat(" 2h", 20) + " " + aliceToken}},
		{Room: "noc", Button: &Button{Action: aliceToken, Key: aliceToken, Value: aliceToken, Severity: aliceToken}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w, log := entrusting(t)
			w.problem("main/1", "noc")
			c := &chatter{relay: w.start(t)}
			defer c.stop()
			id := c.says(in)
			require.Contains(t, c.last().Markdown, "Don't send a token as a message", "%+v", in)
			require.Contains(t, c.last().Markdown, "in a direct chat with me: I give you a card")
			require.Equal(t, store.CommandFailed, w.command(id).State)
			require.Equal(t, "token", w.command(id).Action)
			require.Empty(t, w.calls("main"))
			for _, piece := range []string{aliceToken, strings.ToUpper(aliceToken), invisible, wide, aliceToken[:30]} {
				w.noToken(t, log, piece)
			}
		})
	}
	for _, said := range []string{"ack main/1 " + aliceToken[:63], "ack main/1 image sha256:" + aliceToken[:12] + "…"} {
		in, found := Input{Text: said}.withoutTokens()
		require.False(t, found)
		require.Equal(t, said, in.Text)
	}
}

// A token that Zabbix refuses is forgotten, its person is told, and the relay's user does the act, once.
func TestRefusedTokenIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, log := entrusting(t)
		for _, id := range []string{"1", "2", "3"} {
			w.problem("main/"+id, "noc")
		}
		c := &chatter{relay: w.start(t)}
		defer c.stop()
		c.enter(aliceToken)
		w.zabbixes["main"].tokens = nil
		c.says(Input{Text: "ack main/1 main/2 on it", Room: "noc"})
		require.Equal(t, []string{"", ""}, w.zabbixes["main"].as, "once each")
		require.Regexp(t, `^Alice Example <alice@example.com> \(Webex #[a-z2-7]{8}\): on it$`, w.calls("main")[0].Message)
		told := 0
		for _, n := range w.notices() {
			if strings.Contains(n.Markdown, "refuses your API token (API token expired.), so I forgot it") {
				require.Equal(t, "ROOM-", n.RoomID, "in the direct chat")
				require.Empty(t, n.Room)
				told++
			}
		}
		require.Equal(t, 1, told)
		rows, err := w.AllPersonTokens(t.Context())
		require.NoError(t, err)
		require.Empty(t, rows)
		require.Equal(t, store.CommandDone, w.command("T4").State)
		w.noToken(t, log, aliceToken)
	})
}

// While Zabbix refuses the relay's own token too, as when a proxy drops the header, nobody's token is forgotten.
func TestTokenIsKeptWhenAllAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := entrusting(t)
		w.problem("main/1", "noc")
		c := &chatter{relay: w.start(t)}
		defer c.stop()
		c.enter(aliceToken)
		w.zabbixes["main"].tokens = nil
		w.zabbixes["main"].observeFail = []error{errNotAuthorised, errNotAuthorised}
		w.zabbixes["main"].fail = []failure{{err: errNotAuthorised}}
		c.says(Input{Text: "ack main/1", Room: "noc"})
		require.Contains(t, c.last().Markdown, "rejected the relay's API token")
		rows, err := w.AllPersonTokens(t.Context())
		require.NoError(t, err)
		require.Len(t, rows, 1)
	})
}

// What a person may not do in Zabbix, the relay's user doesn't do for them.
func TestOwnRightsCount(t *testing.T) {
	for kind, want := range map[zabbix.ErrorKind]string{
		zabbix.RoleForbids: "the role of your Zabbix user **alice** in Zabbix `main` doesn't allow it",
		zabbix.NoObject:    "or your Zabbix user **alice** has no write permission on its host",
	} {
		synctest.Test(t, func(t *testing.T) {
			w, _ := entrusting(t)
			w.problem("main/1", "noc")
			c := &chatter{relay: w.start(t)}
			defer c.stop()
			c.enter(aliceToken)
			w.zabbixes["main"].denies = map[string]error{"alice": &zabbix.Error{Kind: kind, Message: "no"}}
			id := c.says(Input{Text: "close main/1", Room: "noc"})
			require.Contains(t, c.last().Markdown, want)
			require.Empty(t, w.calls("main"))
			require.Equal(t, store.CommandFailed, w.command(id).State)
			require.True(t, w.find(alert.ParseKey("main/1")).Open())
		})
	}
}

// A token that can't be read counts as absent, and its person is told once. With its key it is used again.
func TestUnreadableToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := entrusting(t)
		for _, id := range []string{"1", "2", "3"} {
			w.problem("main/"+id, "noc")
		}
		c := &chatter{relay: w.start(t)}
		defer c.stop()
		c.enter(aliceToken)
		require.NoError(t, w.vault.Use(t.Context(), seal.Keys{sealKey(t, 2)}))
		c.says(Input{Text: "ack main/1", Room: "noc"})
		c.says(Input{Text: "ack main/2", Room: "noc"})
		require.Equal(t, []string{"", ""}, w.zabbixes["main"].as)
		require.Equal(t, 1, strings.Count(strings.Join(w.answers(), "\n"), "I can't read your API token"))
		require.NoError(t, w.vault.Use(t.Context(), seal.Keys{sealKey(t, 2), sealKey(t, 1)}))
		c.says(Input{Text: "ack main/3", Room: "noc"})
		require.Equal(t, []string{"", "", "alice"}, w.zabbixes["main"].as)
	})
}

// A person is warned once, a week before their token expires. A new token replaces the old one when it is confirmed.
func TestTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := entrusting(t)
		c := &chatter{relay: w.start(t)}
		defer c.stop()
		c.enter(aliceToken)
		expires := w.zabbixes["main"].tokens[aliceToken].Expires
		require.NoError(t, c.lookThroughTokens(t.Context(), expires.Add(-tokenWarning-time.Hour)))
		require.NotContains(t, strings.Join(w.answers(), "\n"), "⏳ Your API token")
		for _, before := range []time.Duration{tokenWarning - time.Hour, time.Hour} {
			require.NoError(t, c.lookThroughTokens(t.Context(), expires.Add(-before)))
			require.Equal(t, 1, strings.Count(strings.Join(w.answers(), "\n"), "⏳ Your API token for Zabbix `main` expires on"))
		}
		w.zabbixes["main"].tokens[otherToken] = zabbix.TokenOwner{Username: "alice2"}
		asked := c.says(Input{Text: "token main"})
		require.Contains(t, c.last().Markdown, "In use now: the token of the Zabbix user alice, until")
		c.presses(tokenEnter, "main/"+asked, otherToken)
		as, err := c.actsAs(context.Background(), alice)
		require.NoError(t, err)
		require.Equal(t, map[string]string{"main": "alice"}, as, "until the new one is confirmed")
		c.presses(tokenYes, "main/"+asked, "")
		as, err = c.actsAs(context.Background(), alice)
		require.NoError(t, err)
		require.Equal(t, map[string]string{"main": "alice2"}, as)
		c.presses(tokenForget, "main/"+asked, "")
		as, err = c.actsAs(context.Background(), alice)
		require.NoError(t, err)
		require.Empty(t, as)
	})
}

// Who lost their role can still take back their token, by each way, and can't do anything else with it.
func TestTokenIsTakenBackWithoutARole(t *testing.T) {
	for _, name := range []string{"forget me", "Forget it", "No"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _ := entrusting(t)
				r := w.start(t)
				c := &chatter{relay: r}
				defer func() { c.stop() }()
				asked := c.says(Input{Text: "token main"})
				c.presses(tokenEnter, "main/"+asked, aliceToken)
				if name != "No" {
					c.presses(tokenYes, "main/"+asked, "")
				}
				tokens := func() int {
					rows, err := w.PersonTokens(context.Background(), alice.ID)
					require.NoError(t, err)
					return len(rows)
				}
				require.Equal(t, 1, tokens())
				c.stop()
				w.people = []config.Person{{Email: bob.Email, Role: config.RoleOperator}}
				c.relay = w.start(t)
				c.says(Input{Text: "token main"})
				require.Contains(t, c.last().Markdown, "role")
				c.presses(tokenYes, "main/"+asked, "")
				require.Equal(t, 1, tokens())
				takeBack := map[string]func(){
					"forget me": func() { c.says(Input{Text: "forget me"}) },
					"Forget it": func() { c.presses(tokenForget, "main/"+asked, "") },
					"No":        func() { c.presses(tokenNo, "main/"+asked, "") },
				}
				takeBack[name]()
				require.Zero(t, tokens())
				require.Contains(t, strings.Join(w.answers(), "\n"), "✅ I forgot")
			})
		})
	}
}
