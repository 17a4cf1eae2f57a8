package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// A subscription is a person's own route into their direct chat; a binding is one into a space that isn't configured, made by an admin
// there. Both are store.Binding; package route decides what they add.

func bindVerbs() []verb {
	return []verb{
		{
			name: Subscribe, aliases: []string{"sub"}, role: viewer, sets: true,
			usage: "subscribe FILTERS [LENGTH]", does: "posts new problems to you in the direct chat with me: filters as for `problems`, and perhaps `until fri 18:00` or `for 8h`",
			examples: []string{"subscribe >=high host=db*", "subscribe host=db* severity>=high until fri 18:00", `subscribe text="disk full" for 8h`},
			parse:    parseBind, handle: (*Executor).subscribe,
		},
		{
			name: Subscriptions, aliases: []string{"subs"}, role: viewer,
			usage: "subscriptions", does: "lists your subscriptions, with buttons", examples: []string{"subscriptions"},
			parse: parseNothing, handle: (*Executor).listSubscriptions,
		},
		{
			name: Unsubscribe, aliases: []string{"unsub"}, role: viewer, sets: true,
			usage: "unsubscribe NUMBER", does: "ends a subscription, or all of them", examples: []string{"unsubscribe 7", "unsubscribe all"},
			parse: parseUnbind, handle: (*Executor).unsubscribe,
		},
		{
			name: Bind, role: config.RoleAdmin, sets: true,
			usage: "bind FILTERS [LENGTH]", does: "posts new problems into a space that isn't configured. Send it there, once the bot is in it. `rooms` lists what is bound",
			examples: []string{"bind host=db* severity>=high", "bind disaster until mon 8:00"},
			parse:    parseBind, confirms: confirmBind, handle: (*Executor).bind,
		},
		{
			name: Unbind, role: config.RoleAdmin, sets: true,
			usage: "unbind [NUMBER]", does: "ends a binding of the space in which you send it", examples: []string{"unbind", "unbind 7", "unbind all"},
			parse: parseUnbind, confirms: confirmUnbind, handle: (*Executor).unbind,
		},
	}
}

// HeardAnywhere reports whether a message is for a verb that an admin may send in a space that isn't configured.
func HeardAnywhere(words string) bool {
	word, _ := firstWord(unwrapped(speak(text.CutBytes(words, maxText))).plain)
	v := lookup(bareWord(word))
	return v != nil && (v.name == Bind || v.name == Unbind || v.name == Approve)
}

// PressedAnywhere is HeardAnywhere for buttons: only that of a question counts.
func PressedAnywhere(b Button) bool { return b.Action == buttonConfirm }

// lengthMark matches a word that may begin a length. In quotes it is a word to search for.
var lengthMark = regexp.MustCompile(`(?i)"[^"]*"|'[^']*'|(?:^|[ \n])(?:until|untill|till|til|for)(?:[ \n]|$)`)

// parseBind parses "FILTERS [LENGTH]".
func parseBind(_ Names, v *verb, said spoken, t named) (Request, *misunderstanding) {
	rest := strings.TrimLeft(t.rest, ":,; ")
	var l Length
	for _, at := range lengthMark.FindAllStringIndex(rest, -1) {
		found, after, ok := cutLength(rest[at[0]:])
		if rest[at[0]] == '"' || rest[at[0]] == '\'' {
			continue
		}
		if !ok {
			word, _ := firstWord(rest[at[0]:])
			if untils[bareWord(word)] {
				return Request{}, misunderstood(v.name, "Until when? For example: `%s host=db* until fri 18:00`, or `for 8h`. Nothing was done.", v.name)
			}
			continue // "waiting for link"
		}
		if strings.Trim(after, " \n.,;:!") != "" {
			return Request{}, misunderstood(v.name, "Put the length last, so that I know what belongs to it: `%s host=db* until fri 18:00`. Nothing was done.", v.name)
		}
		if found.Forever {
			found = Length{}
		}
		cut := len(rest) - at[0]
		said = said.trimmed(0, len(said.plain)-cut)
		l, rest = found, strings.TrimRight(rest[:at[0]], " \n")
		break
	}
	fields := strings.Fields(rest)
	if len(fields) > 0 {
		last := fields[len(fields)-1]
		if _, after, ok := cutSpan(last); ok && after == "" {
			return Request{}, misunderstood(v.name, "Is `%s` how long? Then write `for %[1]s`. To search for it: `text=%[1]s`. Nothing was done.", echo(last))
		}
	}
	r, q := parseFilters(v.name, said, rest)
	if q != nil {
		return Request{}, q
	}
	r.Length = l
	r.Filter.Text, r.Filter.Plain = cmp.Or(r.Filter.Plain, r.Filter.Text), "" // Zabbix's names are typed on keyboards
	f := r.Filter
	_, err := config.ParseGlob(f.Host)
	switch {
	case r.Page > 0:
		return Request{}, misunderstood(v.name, "`%s` has no pages. To search for the word: `%[1]s text=page`. Nothing was done.", v.name)
	case f.Acknowledged != nil:
		return Request{}, misunderstood(v.name, "A new problem is never acknowledged, so `acked` and `unacked` make no sense here. Leave them out: `%s host=db*`.", v.name)
	case err != nil:
		return Request{}, misunderstood(v.name, "`host=%s` isn't a pattern such as `db*`: perhaps a bracket isn't closed. Nothing was done.", echo(f.Host))
	case len(f.Host) > maxFilter || len(f.Text) > maxFilter:
		return Request{}, misunderstood(v.name, "That filter is too long: the host's pattern and the text have at most %d characters each. Nothing was done.", maxFilter)
	case (f.Severity == nil || len(f.Severity) == len(alert.Severities)) && strings.Trim(f.Host, "*") == "" && f.Text == "":
		return Request{}, misunderstood(v.name, "That would be every problem. Which ones do you want? For example: `%s >=high host=db*`. Nothing was done.", v.name)
	}
	return r, nil
}

// maxFilter bounds the texts of a filter, in bytes.
const maxFilter = 200

// allOf is the number of `unsubscribe all`.
const allOf = -1

// parseUnbind parses "[NUMBER]" or "all".
func parseUnbind(_ Names, v *verb, _ spoken, t named) (Request, *misunderstanding) {
	word := strings.Trim(t.rest, ":,;.!#`\"' \n")
	r := Request{Verb: v.name}
	if word == "" {
		return r, nil
	}
	if word == "all" || word == "everything" {
		r.Number = allOf
		return r, nil
	}
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil || n < 1 {
		return Request{}, misunderstood(v.name, "I don't understand `%s`, so I did nothing. Give its number: `%s 7`, or `%[2]s all`.", echo(word), v.name)
	}
	r.Number = n
	return r, nil
}

func parseNothing(_ Names, v *verb, _ spoken, t named) (Request, *misunderstanding) {
	if rest := strings.Trim(t.rest, ":,;.! "); rest != "" {
		return Request{}, misunderstood(v.name, "`%s` takes nothing else.", v.name)
	}
	return Request{Verb: v.name}, nil
}

// binding returns what a request asks for.
func (s scope) binding(c store.Command, r Request, room string, now time.Time) (store.Binding, *misunderstanding) {
	b := store.Binding{
		Room: room, RoomID: c.RoomID, Bot: c.Bot, Host: r.Filter.Host, Text: r.Filter.Text,
		Person: s.Input.Person.ID, Email: s.Input.Person.Email, Name: text.Line(text.CutBytes(s.Input.Person.Name, 200)), Command: c.ID, CreatedAt: now,
	}
	if r.Filter.Severity != nil {
		b.Severity = strings.NewReplacer(", ", ",", " ", "-").Replace(config.SeverityMatch{Set: r.Filter.Severity}.String())
	}
	if r.Length != (Length{}) {
		until, q := lastsUntil(r.Verb.entry(), r.Length, c.CreatedAt, now, roomOf(c, s.View))
		if q != nil {
			return b, q
		}
		b.Until = until
	}
	return b, nil
}

// pointless is the reply, without markup, to a request for a binding that would rest at once; "" if it wouldn't. Only the address under
// which the person acts has rights in it, though their other ones give them the verb.
func (s scope) pointless(b store.Binding) string {
	why := s.rests(b).In(s.voice().Lang)
	if why == "" {
		return ""
	}
	return s.voice().T("🚫 I would post nothing by it, so I did nothing: %s. Only the address under which you act counts here.", inPlain(text.Cut(why, 300)))
}

// addBinding makes a binding. refusal is the reply if it can't.
func (e *Executor) addBinding(ctx context.Context, s scope, b store.Binding) (made store.Binding, replaced *store.Binding, refusal string, err error) {
	if refusal := s.pointless(b); refusal != "" {
		return b, nil, refusal, nil
	}
	say := s.voice()
	made, replaced, err = e.o.Bindings.Add(ctx, b)
	switch {
	case errors.Is(err, binding.ErrTooManyHere):
		return made, nil, say.T("🚫 There are %d already, which is the most that I keep. End one first.", binding.MaxOfRoom), nil
	case errors.Is(err, binding.ErrTooMany):
		return made, nil, say.T("🚫 The relay keeps %d subscriptions and bindings already, which is the most. Tell its administrator: `alert-relay bindings list`.", binding.MaxOfAll), nil
	}
	return made, replaced, "", err
}

// strangeHost says that no problem that the person may see was on a host like that; "" if one was.
func (e *Executor) strangeHost(ctx context.Context, l lang.Lang, among store.Filter, host string) (string, error) {
	if host == "" {
		return "", nil
	}
	among.Host, among.Limit = host, 1
	known, err := e.o.Store.FindProblems(ctx, among)
	if err != nil || len(known) > 0 {
		return "", err
	}
	return l.T("ℹ️ I know no problem on a host like %s so far. Is the pattern right? `*` stands for any characters.", inCode(host)), nil
}

// Replies about bindings are lines of plain text in which `…` is a command, as in tokenCard: clients without cards get them as markdown.

func inCode(s string) string { return "`" + strings.ReplaceAll(s, "`", "'") + "`" }

// inPlain is for text that isn't a command.
func inPlain(s string) string { return strings.ReplaceAll(s, "`", "'") }

func inMarkdown(lines ...string) string {
	return tokenCard{lines: slices.DeleteFunc(lines, func(line string) bool { return line == "" })}.markdown()
}

func (e *Executor) reply(ctx context.Context, c store.Command, markdown string) (outcome string, err error) {
	return e.replyToken(ctx, c, markdown, nil)
}

// bindingLine describes a binding.
func bindingLine(b store.Binding, now time.Time, say voice) string {
	said := fmt.Sprintf("#%d %s", b.ID, inCode(binding.Words(b)))
	if !b.Until.IsZero() {
		said += say.T(", until %s", say.moment(b.Until, now))
	}
	return said
}

// rests says why a binding adds nothing now; none if it doesn't rest.
func (s scope) rests(b store.Binding) lang.Phrase {
	r, err := binding.Route(b)
	if err != nil {
		return lang.Say("what it matches can't be read")
	}
	return s.Routing.Rests(r)
}

// restWords follows a binding in a list.
func (s scope) restWords(b store.Binding) string {
	if why := s.rests(b).In(s.voice().Lang); why != "" {
		return s.voice().T(" · 💤 it rests: %s", inPlain(text.Cut(why, 300)))
	}
	return ""
}

// subscriptions are those of the person, also from an earlier address.
func (e *Executor) subscriptions(s scope) []store.Binding {
	return slices.DeleteFunc(e.o.Bindings.Live(), func(b store.Binding) bool {
		own := b.Person == s.Input.Person.ID && b.Person != "" || slices.Contains(s.addresses(), b.Email)
		return binding.IsSpace(b.Room) || !own
	})
}

// onlyDirect is the reply to a subscription's verb elsewhere; "" if it is in its place.
func (s scope) onlyDirect(v Verb) string {
	switch {
	case !s.Direct:
		return s.voice().T("🔔 Subscriptions are between you and me: send `%s` in a direct chat with me.", v)
	case s.Room != "":
		return s.voice().T("🚫 This chat is the room `%s` of the relay's configuration, so what goes here is decided there.", webex.EscapeCode(s.Room))
	}
	return ""
}

func (e *Executor) subscribe(ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error) {
	if refusal := s.onlyDirect(r.Verb); refusal != "" {
		return e.reply(ctx, c, refusal)
	}
	now := time.Now()
	b, q := s.binding(c, r, binding.Person(s.Input.Person.Email), now)
	if q != nil {
		return e.reply(ctx, c, "❔ "+q.said.In(s.voice().Lang))
	}
	note, err := e.strangeHost(ctx, s.voice().Lang, s.listed(), b.Host)
	if err != nil {
		return "", err
	}
	b, replaced, refusal, err := e.addBinding(ctx, s, b)
	switch {
	case err != nil:
		return "", err
	case refusal != "":
		return e.replySubscriptions(ctx, c, s, r, refusal)
	}
	said := s.voice().T("🔔 Subscribed: %s. I post new problems like that here, %s.", bindingLine(b, now, s.voice()), s.reach())
	if replaced != nil {
		said += s.voice().T(" It replaces #%s.", strconv.FormatInt(replaced.ID, 10))
	}
	if bot := s.botOf(""); bot != "" && bot != c.Bot {
		said += s.voice().T(" They come from the bot %s, in its direct chat with you.", inCode(bot))
	}
	return e.replySubscriptions(ctx, c, s, r, said, note)
}

// reach says which problems a person's subscriptions can have: by the rights of the address under which they act.
func (s scope) reach() string {
	as := ""
	if len(s.Person.Also) > 0 {
		as = inPlain(s.Person.Email)
	}
	s.Person.Also = nil
	if s.roleIn("").AtLeast(viewer) {
		return s.voice().T("whatever room they go to")
	}
	var rooms []string
	for _, room := range s.Rooms {
		if may(s.roleIn(room.Name), Problems) {
			rooms = append(rooms, inPlain(room.Name))
		}
	}
	if as != "" {
		return s.voice().T("if they go to a room in which you have a role as %s: %s", as, s.voice().Or(rooms))
	}
	return s.voice().T("if they go to a room in which you have a role: %s", s.voice().Or(rooms))
}

func (e *Executor) listSubscriptions(ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error) {
	if refusal := s.onlyDirect(r.Verb); refusal != "" {
		return e.reply(ctx, c, refusal)
	}
	return e.replySubscriptions(ctx, c, s, r)
}

func (e *Executor) unsubscribe(ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error) {
	if refusal := s.onlyDirect(r.Verb); refusal != "" {
		return e.reply(ctx, c, refusal)
	}
	said, err := e.endBindings(ctx, s.voice().Lang, e.subscriptions(s), r)
	if err != nil {
		return "", err
	}
	return e.replySubscriptions(ctx, c, s, r, said)
}

// endBindings ends those of a list that a request means, and returns the reply.
func (e *Executor) endBindings(ctx context.Context, l lang.Lang, list []store.Binding, r Request) (reply string, err error) {
	chosen, refusal := chosenOf(l, list, r)
	if refusal != "" {
		return refusal, nil
	}
	var ended []string
	for _, b := range chosen {
		if _, err := e.o.Bindings.End(ctx, b.ID, store.BindingRemoved); err != nil && !errors.Is(err, store.ErrNotFound) {
			return "", err
		}
		ended = append(ended, fmt.Sprintf("#%d %s", b.ID, inCode(binding.Words(b))))
	}
	return l.T("✅ Ended: %s. No new problem comes by it; messages that are here are kept up to date until their problems are resolved.", strings.Join(ended, ", ")), nil
}

// chosenOf returns those of a list that a request means. Without a number it is the only one.
func chosenOf(l lang.Lang, list []store.Binding, r Request) (chosen []store.Binding, refusal string) {
	subscription := r.Verb == Unsubscribe
	switch {
	case len(list) == 0 && subscription:
		return nil, l.T("ℹ️ There is no subscription here.")
	case len(list) == 0:
		return nil, l.T("ℹ️ There is no binding here.")
	case r.Number == allOf || r.Number == 0 && len(list) == 1:
		return list, ""
	case r.Number == 0:
		return nil, l.T("❔ Which one? Give its number, or `%s all`. Nothing was done.", r.Verb)
	}
	i := slices.IndexFunc(list, func(b store.Binding) bool { return b.ID == r.Number })
	switch number := strconv.FormatInt(r.Number, 10); {
	case i < 0 && subscription:
		return nil, l.T("❔ There is no subscription #%s here, so I did nothing.", number)
	case i < 0:
		return nil, l.T("❔ There is no binding #%s here, so I did nothing.", number)
	}
	return list[i : i+1], ""
}

// onlySpace is the reply to a binding's verb in a place that can't be bound; "" if it can.
func (s scope) onlySpace(v Verb) string {
	switch {
	case s.Direct:
		return s.voice().T("🔗 Send `%s` in the space itself: add me to it, and mention me there. For yourself: `subscribe`.", v)
	case s.Room != "" && !binding.IsSpace(s.Room):
		return s.voice().T("🚫 This room is `%s` in the relay's configuration, which decides what goes here. To change that, change its routes.", webex.EscapeCode(s.Room))
	}
	return ""
}

// confirmBind asks whether everybody in a space may have the problems.
func confirmBind(_ *Executor, s scope, c store.Command, r Request) (q confirmation, refusal string, err error) {
	if refusal := s.onlySpace(r.Verb); refusal != "" {
		return confirmation{}, refusal, nil
	}
	b, fault := s.binding(c, r, binding.Space(c.RoomID), time.Now())
	if fault != nil {
		return confirmation{}, "❔ " + fault.said.In(s.voice().Lang), nil
	}
	if refusal := s.pointless(b); refusal != "" {
		return confirmation{}, inMarkdown(refusal), nil
	}
	until := ""
	if !b.Until.IsZero() {
		until = s.voice().T(", until %s", s.voice().moment(b.Until, time.Now()))
	}
	return confirmation{
		question: s.voice().T("❔ This posts every new problem with **%s** into this space%s, for everybody who is in it, now and later.", webex.EscapeMarkdown(binding.Words(b)), until),
		button:   s.voice().T("Yes, bind it"),
	}, "", nil
}

func (e *Executor) bind(ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error) {
	room, now := binding.Space(c.RoomID), time.Now()
	if refusal := s.onlySpace(r.Verb); refusal != "" {
		return e.reply(ctx, c, refusal)
	}
	b, q := s.binding(c, r, room, now)
	if q != nil {
		return e.reply(ctx, c, "❔ "+q.said.In(s.voice().Lang))
	}
	if others := e.o.Bindings.Of(room); len(others) > 0 && others[0].Bot != c.Bot {
		return e.reply(ctx, c, s.voice().T("🚫 This space is bound to the bot `%s`, which posts here. Send it to that one.", webex.EscapeCode(others[0].Bot)))
	}
	note, err := e.strangeHost(ctx, s.voice().Lang, store.Filter{}, b.Host)
	if err != nil {
		return "", err
	}
	b, replaced, refusal, err := e.addBinding(ctx, s, b)
	switch {
	case err != nil:
		return "", err
	case refusal != "":
		return e.reply(ctx, c, inMarkdown(refusal))
	}
	said := s.voice().T("🔗 Bound: %s. I post new problems like that here, for as long as you are an admin of the relay, and everybody here has the role that they have everywhere. `unbind` ends it.", bindingLine(b, now, s.voice()))
	if replaced != nil {
		said += s.voice().T(" It replaces #%s.", strconv.FormatInt(replaced.ID, 10))
	}
	return e.reply(ctx, c, inMarkdown(said, note))
}

func confirmUnbind(e *Executor, s scope, c store.Command, r Request) (q confirmation, refusal string, err error) {
	if refusal := s.onlySpace(r.Verb); refusal != "" {
		return confirmation{}, refusal, nil
	}
	chosen, refusal := chosenOf(s.voice().Lang, e.o.Bindings.Of(binding.Space(c.RoomID)), r)
	if refusal != "" {
		return confirmation{}, refusal, nil
	}
	what := make([]string, 0, len(chosen))
	for _, b := range chosen {
		what = append(what, fmt.Sprintf("**#%d %s**", b.ID, webex.EscapeMarkdown(binding.Words(b))))
	}
	return confirmation{question: s.voice().T("❔ This ends %s: new problems like that don't come to this space any more.", strings.Join(what, ", ")), button: s.voice().T("Yes, unbind it")}, "", nil
}

func (e *Executor) unbind(ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error) {
	if refusal := s.onlySpace(r.Verb); refusal != "" {
		return e.reply(ctx, c, refusal)
	}
	said, err := e.endBindings(ctx, s.voice().Lang, e.o.Bindings.Of(binding.Space(c.RoomID)), r)
	if err != nil {
		return "", err
	}
	return e.reply(ctx, c, inMarkdown(said))
}

// Record writes into the audit log what became of a binding without a person's command.
func (e *Executor) Record(ctx context.Context, b store.Binding, outcome string) error {
	verb := Unsubscribe
	if binding.IsSpace(b.Room) {
		verb = Unbind
	}
	now := time.Now()
	_, err := e.o.Store.ClaimCommand(ctx, store.Command{
		ID: fmt.Sprintf("binding:%d:%s", b.ID, b.Ended), Bot: b.Bot, RoomID: b.RoomID, Name: "the relay", Text: fmt.Sprintf("%s %d (%s)", verb, b.ID, binding.Words(b)),
		Action: string(verb), State: store.CommandDone, Outcome: text.Cut(outcome, 1000), CreatedAt: now, DoneAt: now,
	})
	return err
}
