package command

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/vault"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
)

// A person may entrust the relay with an API token of their own, so that what they do is theirs in Zabbix. The token is entered into
// a card in the direct chat: its value is only in the press, is read from Webex when it is needed, and is stored sealed.

func tokenVerbs() []verb {
	return []verb{
		{
			name: Token, role: operator,
			usage: "token [SOURCE]", does: "asks for your own Zabbix API token, so that what you do is yours in Zabbix. In a direct chat only",
			examples: []string{"token"},
			parse:    parseToken, handle: (*Executor).askToken,
		},
		{
			name: Forget, role: viewer, sets: true,
			usage: "forget me", does: "forgets your Zabbix API tokens", examples: []string{"forget me"},
			parse: parseForget, answer: answerForget,
		},
	}
}

// The steps of entering a token: the actions of the buttons. "" is the command that asks for it.
const (
	tokenEnter  = "token"
	tokenYes    = "token_yes"
	tokenNo     = "token_no"
	tokenForget = "token_forget"
)

// IsTokenButton reports whether a button sends an API token.
func IsTokenButton(action string) bool { return action == tokenEnter }

// tokenStep is a press on a card that is about a token.
type tokenStep struct {
	Step   string `json:"step"`
	Source string `json:"source"`
	Asked  string `json:"asked"` // id of the command whose reply the card is
}

// tokenPress reads a press on such a card. Its key is "SOURCE/COMMAND".
func tokenPress(c *store.Command, b Button) (Request, *misunderstanding) {
	source, asked, ok := strings.Cut(b.Key, "/")
	if !ok {
		return Request{Verb: Token}, &misunderstanding{Token, unknownButton()}
	}
	c.Text = map[string]string{tokenEnter: "entered a token", tokenYes: "confirmed a token", tokenNo: "rejected a token", tokenForget: "pressed forget"}[b.Action] +
		" for " + text.Line(text.CutBytes(source, 40))
	return Request{Verb: Token, Token: tokenStep{b.Action, source, asked}}, nil
}

// typedToken matches an API token, whatever is around it.
var typedToken = regexp.MustCompile(`[0-9a-fA-F]{64,}`)

// withoutTokens is the input without API tokens that somebody typed, so that they are stored nowhere. found: there was one.
func (in Input) withoutTokens() (clean Input, found bool) {
	cut := func(said *string) {
		if plain := speak(*said).plain; typedToken.MatchString(plain) {
			*said, found = typedToken.ReplaceAllString(plain, "[token]"), true
		}
	}
	cut(&in.Text)
	if in.Button != nil {
		b := *in.Button
		for _, said := range []*string{&b.Action, &b.Key, &b.Value, &b.Comment, &b.For, &b.Severity} {
			cut(said)
		}
		in.Button = &b
	}
	if found {
		in.Mentions = nil
	}
	return in, found
}

func typedTokenReply() *misunderstanding {
	return misunderstood(Token, "🔑 Don't send a token as a message or comment: it stays in Webex. I did nothing, and kept nothing of it. Delete your message, and the token in Zabbix. Then make a new one, and send `token` in a direct chat with me: I give you a card for it. If it wasn't a token but a checksum, for example, shorten it.")
}

func parseToken(n Names, v *verb, _ spoken, t named) (Request, *misunderstanding) {
	word, after := firstWord(strings.TrimLeft(t.rest, ":,; "))
	if word = strings.Trim(word, ".,!?:;\"'`()"); word == "" {
		return Request{Verb: v.name}, nil
	}
	for name := range n.Sources {
		if strings.EqualFold(name, word) && strings.TrimSpace(after) == "" {
			return Request{Verb: v.name, Token: tokenStep{Source: name}}, nil
		}
	}
	return Request{}, misunderstood(v.name, "I don't know the Zabbix `%s`. There are %s. Send `token` without the token itself: I give you a card for it.", echo(word), lang.Either(sourceList(slices.Sorted(maps.Keys(n.Sources)))))
}

func sourceList(names []string) []string {
	quoted := make([]string, 0, len(names))
	for _, name := range names {
		quoted = append(quoted, "`"+echo(name)+"`")
	}
	return quoted
}

func parseForget(_ Names, v *verb, _ spoken, t named) (Request, *misunderstanding) {
	if word, after := firstWord(strings.TrimLeft(t.rest, ":,; ")); bareWord(word) == "reminder" {
		return parseUnbind(Names{}, lookup(string(Unremind)), spoken{}, named{rest: after})
	}
	if bareWord(strings.TrimSpace(t.rest)) != "me" {
		return Request{}, misunderstood(v.name, "`forget me` forgets your own Zabbix API tokens, `forget reminder 7` a reminder.")
	}
	return Request{Verb: v.name}, nil
}

func answerForget(ctx context.Context, e *Executor, s scope, _ Request, _ []target, room render.Room) (reply, outcome string, err error) {
	n, err := e.o.Store.ForgetPersonTokens(ctx, s.Input.Person.ID, "")
	switch {
	case err != nil:
		return "", "", err
	case n == 0:
		return room.Lang.T("ℹ️ I have no Zabbix API token of yours."), "", nil
	}
	return room.Lang.T("✅ I forgot your Zabbix API token. What you do is done by the relay's user again, with your name in the comment. Delete the token in Zabbix too, if you don't need it: User settings → API tokens."), "", nil
}

// withdraws reports whether a request takes back the person's own tokens. That needs no role: who lost theirs may want it most.
func (r Request) withdraws() bool {
	return r.Verb == Forget || r.Verb == Token && (r.Token.Step == tokenNo || r.Token.Step == tokenForget)
}

// askToken is a step of entering a token. It replies with a card, which replaces the one before.
func (e *Executor) askToken(ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error) {
	if !s.Direct {
		return e.replyToken(ctx, c, s.voice().T("🔑 Your token is between you and me: send `token` in a direct chat with me."), nil)
	}
	if refusal := cantKeep(s.voice().Lang, e.o.Vault); refusal != "" {
		return e.replyToken(ctx, c, refusal, nil)
	}
	t := r.Token
	asked := c
	if t.Step != "" {
		before, err := e.o.Store.Command(ctx, t.Asked)
		switch {
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return "", err
		case err != nil || before.RoomID != c.RoomID || before.PersonID != c.PersonID || before.Action != string(Token):
			return e.replyToken(ctx, c, "❔ "+unknownButton().In(s.voice().Lang), nil)
		}
		asked = before
	}
	names := e.acting()
	if t.Source == "" && len(names) == 1 {
		t.Source = names[0]
	}
	l, ok := e.lanes.Get(t.Source)
	switch {
	case ok && l.name == l.source:
	case t.Source != "":
		return e.replyToken(ctx, asked, s.voice().T("🚫 The relay can't act in Zabbix `%s`, so it needs no token for it.", webex.EscapeCode(t.Source)), nil)
	case len(names) == 0:
		return e.replyToken(ctx, asked, s.voice().T("🚫 The relay can't act in any Zabbix, so it needs no token."), nil)
	default:
		return e.replyToken(ctx, asked, s.voice().T("❔ For which Zabbix? %s. For example: `token %s`.", s.voice().Or(sourceList(names)), webex.EscapeCode(names[0])), nil)
	}
	switch t.Step {
	case tokenEnter:
		return e.checkToken(ctx, c, asked, l, s)
	case tokenYes:
		return e.confirmToken(ctx, asked, t.Source, s)
	case tokenNo:
		return e.rejectToken(ctx, asked, t.Source, s)
	case tokenForget:
		if _, err := e.o.Store.ForgetPersonTokens(ctx, s.Input.Person.ID, t.Source); err != nil {
			return "", err
		}
		return e.replyCard(ctx, asked, tokenCard{lines: []string{s.voice().T("✅ I forgot your token for Zabbix %s. What you do is done by the relay's user again, with your name in the comment. Delete the token in Zabbix too, if you don't need it.", t.Source)}})
	}
	used, err := e.tokenInUse(ctx, s.Input.Person.ID, t.Source)
	if err != nil {
		return "", err
	}
	return e.replyCard(ctx, asked, enterCard(s.voice(), t.Source, asked.ID, linkToTokens(s.Names.Sources[t.Source]), used))
}

// cantKeep returns the reply if no token can be kept; "" if it can.
func cantKeep(l lang.Lang, v *vault.Vault) string {
	state := vault.Off
	if v != nil {
		state = v.State()
	}
	switch state {
	case vault.Ready:
		return ""
	case vault.Wrong:
		return l.T("🔑 I can't keep tokens now: the relay's encryption key isn't the one that its store was sealed with. Tell the relay's administrator. Until then the relay's user acts in Zabbix, with your name in the comment.")
	}
	return l.T("🔑 I can't keep tokens: the relay's administrator has configured no encryption key (`encryption.keys_file`). The relay's user acts in Zabbix, with your name in the comment.")
}

// checkTimeout bounds the check of a token: its person waits for the reply.
const checkTimeout = 20 * time.Second

// checkToken asks Zabbix whose token was entered, keeps it sealed, and asks the person whether that is right.
func (e *Executor) checkToken(ctx context.Context, c, asked store.Command, l *lane, s scope) (outcome string, err error) {
	source, say := l.source, s.voice()
	token := strings.TrimSpace(s.Button.Token.Reveal())
	again := func(why string) (string, error) {
		card := enterCard(say, source, asked.ID, linkToTokens(s.Names.Sources[source]), nil)
		card.lines = append([]string{why}, card.lines...)
		return e.replyCard(ctx, asked, card)
	}
	if !zabbix.IsAPIToken(token) {
		return again(say.T("❌ That isn't an API token: it has 64 characters, digits and the letters a to f."))
	}
	// The card goes at once, with what is in its field.
	if _, err := e.replyCard(ctx, asked, tokenCard{lines: []string{say.T("⏳ Checking the token with Zabbix %s …", source)}}); err != nil {
		return "", err
	}
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	owner, err := l.zabbix.CheckToken(asking, token)
	switch zabbix.KindOf(err) {
	case "":
	case zabbix.NotAuthorised:
		return again(say.T("❌ Zabbix refuses this token: %s", said(err)))
	case zabbix.RoleForbids:
		return again(say.T("❌ Your role in Zabbix doesn't let the relay find out whose token this is. Ask a Zabbix administrator for access to the API (token.get, user.get, event.acknowledge). %s", said(err)))
	default:
		e.o.Log.Warn("cannot check a person's API token", "command", c.ID, "source", source, "error", err)
		return e.replyCard(ctx, asked, tokenCard{lines: []string{say.T("❌ I couldn't check the token, because Zabbix %s %s. I didn't keep it: send `token` again later.", source, reason(err).In(say.Lang))}})
	}
	row := store.PersonToken{
		Source: source, Person: s.Input.Person.ID, Command: asked.ID, Username: owner.Username, Email: s.Input.Person.Email, Bot: c.Bot, RoomID: c.RoomID,
		CreatedAt: time.Now(), ExpiresAt: owner.Expires,
	}
	if row.Sealed, err = e.o.Vault.Seal(token, row.Place()); err != nil {
		e.o.Log.Error("cannot seal a person's API token", "command", c.ID, "source", source, "error", err)
		why := cmp.Or(cantKeep(say.Lang, e.o.Vault), say.T("❌ I couldn't encrypt the token, so I didn't keep it. Send `token` again later. If that fails too, tell the relay's administrator."))
		return e.replyCard(ctx, asked, tokenCard{lines: []string{why}})
	}
	if err := e.o.Store.SavePersonToken(ctx, row); err != nil {
		return "", err
	}
	return e.replyCard(ctx, asked, askOwnerCard(say, source, asked.ID, owner))
}

// said returns Zabbix's own words.
func said(err error) string {
	var ze *zabbix.Error
	if !errors.As(err, &ze) {
		return ""
	}
	return text.Line(ze.Message)
}

func (e *Executor) confirmToken(ctx context.Context, asked store.Command, source string, s scope) (outcome string, err error) {
	person := s.Input.Person.ID
	err = e.o.Store.ConfirmPersonToken(ctx, person, source, asked.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	used, err := e.tokenInUse(ctx, person, source)
	switch {
	case err != nil:
		return "", err
	case used == nil || used.Command != asked.ID: // else it was confirmed before a crash
		return e.replyCard(ctx, asked, tokenCard{lines: []string{s.voice().T("❔ That question is no longer current, so I did nothing. Send `token` again.")}})
	}
	line := s.voice().T("✅ From now on, what you do in Zabbix %s is done as its user %s.", source, used.Username)
	if !used.ExpiresAt.IsZero() {
		line += s.voice().T(" The token expires on %s; I'll remind you a week before.", s.voice().date(used.ExpiresAt))
	}
	return e.replyCard(ctx, asked, tokenCard{lines: []string{line, s.voice().T("To take it back, send `forget me`.")}})
}

func (e *Executor) rejectToken(ctx context.Context, asked store.Command, source string, s scope) (outcome string, err error) {
	rows, err := e.o.Store.PersonTokens(ctx, s.Input.Person.ID)
	if err != nil {
		return "", err
	}
	for _, row := range rows {
		if row.Source == source && !row.Confirmed && row.Command == asked.ID {
			if err := e.o.Store.ForgetSealed(ctx, row.Sealed); err != nil {
				return "", err
			}
		}
	}
	return e.replyCard(ctx, asked, tokenCard{lines: []string{s.voice().T("✅ I forgot that token. If it isn't yours, its owner should delete it in Zabbix.")}})
}

// tokenInUse returns a person's token of a source; nil for none.
func (e *Executor) tokenInUse(ctx context.Context, person, source string) (*store.PersonToken, error) {
	rows, err := e.o.Store.PersonTokens(ctx, person)
	for _, row := range rows {
		if row.Source == source && row.Confirmed {
			return &row, err
		}
	}
	return nil, err
}

func (e *Executor) replyToken(ctx context.Context, c store.Command, markdown string, card []byte) (outcome string, err error) {
	return plain(text.Cut(markdown, 500)), e.answer(ctx, c, "", markdown, card)
}

func (e *Executor) replyCard(ctx context.Context, c store.Command, card tokenCard) (outcome string, err error) {
	return e.replyToken(ctx, c, card.markdown(), card.content())
}
