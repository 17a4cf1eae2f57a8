package command

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/reconcile"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
)

// All replies to commands are made here. They are markdown, and untrusted text in them is escaped.

// echo prepares untrusted text for use between backticks.
func echo(s string) string { return webex.EscapeCode(text.Shorten(s, 40)) }

// idIn returns an event's id as people write it, with the source if there are several.
func idIn(key alert.Key, several bool) string {
	key = key.Original()
	if several {
		return key.String()
	}
	return key.EventID
}

func nameIn(key alert.Key, several bool) string {
	return "`" + webex.EscapeCode(idIn(key, several)) + "`"
}

// titled returns a problem's id and the beginning of its name.
func titled(key alert.Key, name string, several bool) string {
	if name == "" {
		return nameIn(key, several)
	}
	return nameIn(key, several) + " " + webex.EscapeMarkdown(text.Shorten(name, 80))
}

func doneWords(a attempt, r Request, say voice, now time.Time) string {
	act, after := r.act(), ""
	if act.after != nil {
		after = act.after(say.Lang, r, func(t time.Time) string { return say.moment(t, now) })
	}
	if a.As != "" {
		after += say.T(", as the Zabbix user **%s**", webex.EscapeMarkdown(text.Cut(a.As, 100)))
	}
	return say.T("✅ %s %s%s", say.Of(act.done), titled(a.Key, a.Name, say.several), after)
}

// doneEarlier returns the reply if nothing needs to be done; "" if Zabbix must be asked.
func doneEarlier(p alert.Problem, r Request, button bool, say voice, now time.Time) string {
	name := titled(p.Key, p.Name, say.several)
	switch {
	case p.State == alert.StateResolved && (button || r.Verb == Close):
		text := say.T("ℹ️ %s is already resolved.", name)
		if button {
			text += say.T(" Its buttons no longer do anything.")
		}
		if r.Text != "" {
			text += say.T(" Your comment was not sent. To send it anyway: `comment %s …`.", webex.EscapeCode(idIn(p.Key, say.several)))
		}
		return text
	case r.Verb == Ack && p.Acknowledged && r.Text == "" && p.Asked() == nil:
		by := p.AcknowledgedBy()
		if by == nil {
			return say.T("ℹ️ %s is already acknowledged.", name)
		}
		return say.T("ℹ️ %s is already acknowledged, by %s (%s).", name, actorName(say.Lang, by.Actor), say.moment(by.At, now))
	case r.Owner != nil && owns(p, r.Owner) && r.Text == "" && (!r.Ack || p.Acknowledged):
		if r.Owner.Email == "" {
			return say.T("ℹ️ %s is nobody's.", name)
		}
		return say.T("ℹ️ %s is already %s's, since %s.", name, ownerName(say.Lang, p.Owner), say.moment(p.Owner.Since, now))
	case r.Verb == Unsuppress && p.Observed && !p.SuppressedAt(now) && r.Text == "":
		return say.T("ℹ️ %s isn't suppressed.", name)
	case r.Verb == Cause && p.Observed && p.CauseEventID == "":
		return say.T("ℹ️ %s is no symptom.", name)
	case r.Verb == Symptom && p.CauseEventID == r.Cause.EventID && r.Text == "":
		return say.T("ℹ️ %s is already a symptom of %s.", name, webex.EscapeMarkdown(r.Cause.EventID))
	case r.Verb == Severity && r.Severity != nil && p.Severity == *r.Severity && r.Text == "":
		return say.T("ℹ️ The severity of %s is already **%s**.", name, render.Word(say.Lang, p.Severity))
	}
	return ""
}

// notShown is added to an open problem that Zabbix doesn't show now.
func notShown(key alert.Key, say voice) string {
	return say.T("⚠️ Zabbix `%s` doesn't show this event: its trigger or host may have been deleted, or the relay's user can no longer see it. `close %s` closes it here.",
		webex.EscapeCode(key.Source), webex.EscapeCode(idIn(key, say.several)))
}

func actorName(l lang.Lang, a alert.Actor) string {
	return webex.EscapeMarkdown(text.Cut(cmp.Or(a.Name, a.Email, l.T("somebody")), 100))
}

// notATrigger: event.acknowledge accepts only triggers' events (documented).
func notATrigger(p alert.Problem, say voice) string {
	return say.T("🚫 %s is a %s event, not a trigger's problem. Zabbix allows no actions on those.", titled(p.Key, p.Name, say.several), render.OriginWord(say.Lang, p.Origin))
}

// superseded: its event id is another problem's now, which must not be acted on.
func superseded(key alert.Key, name string, say voice) string {
	return say.T("🚫 %s is gone from Zabbix, and its event id is another problem's now. Nothing was done. To act on that one, reply in its thread.", titled(key, name, say.several))
}

// notAnyMore: the person lost the role while the command waited.
func notAnyMore(a attempt, v Verb, say voice) string {
	return say.T("🚫 Nothing was done to %s: you no longer have the role **%s** that `%s` needs.", titled(a.Key, a.Name, say.several), v.entry().role, v)
}

func damagedProblem(key alert.Key, say voice) string {
	return say.T("🚫 The relay can't read %s in its store any more, so nothing was done to it. The relay's log has the reason.", nameIn(key, say.several))
}

// purpose returns what an attempt does, for a reply: "acknowledge 4711 Link down".
func purpose(a attempt, r Request, say voice) string {
	if a.Does != "" {
		return a.Does
	}
	return say.T("%s %s", say.Of(r.act().infinitive), titled(a.Key, a.Name, say.several))
}

func noClient(a attempt, say voice) string {
	if a.Does != "" {
		return say.T("🚫 Couldn't %s: the relay has no API token for Zabbix `%s`, so it can't act there. Nothing was done.", a.Does, webex.EscapeCode(a.Key.Source))
	}
	return say.T("🚫 Nothing was done to %s: the relay has no API token for Zabbix `%s`, so it can't act there.", nameIn(a.Key, say.several), webex.EscapeCode(a.Key.Source))
}

// refused explains Zabbix's refusal and the remedy.
func refused(a attempt, r Request, e *zabbix.Error, say voice) string {
	name, what, source := titled(a.Key, a.Name, say.several), purpose(a, r, say), webex.EscapeCode(a.Key.Source)
	user := say.T("the relay's user")
	if a.As != "" {
		user = say.T("your Zabbix user **%s**", webex.EscapeMarkdown(text.Cut(a.As, 100)))
	}
	said := ""
	if e.Message != "" {
		said = say.T(" Zabbix says: “%s”", webex.EscapeMarkdown(text.Cut(e.Message, 500)))
	}
	switch e.Kind {
	case zabbix.NotAuthorised:
		return say.T("🔑 Couldn't %s: Zabbix `%s` rejected the relay's API token. Nothing was done. Do it in Zabbix, and tell the relay's administrator: the token must be renewed, or a proxy drops the Authorization header. The relay's log has the details.%s", what, source, said)
	case zabbix.RoleForbids:
		remedy := say.T(" A Zabbix administrator can allow the API method event.acknowledge and the action in that role.")
		if work := r.Verb.entry().work; work != nil {
			remedy = say.T(" A Zabbix administrator can allow it with `alert-relay setup zabbix%s`, or by hand: docs/zabbix.md.", work.setup)
		}
		return say.T("🚫 Couldn't %s: the role of %s in Zabbix `%s` doesn't allow it.%s%s", what, user, source, remedy, said)
	case zabbix.CloseForbidden:
		return say.T("🚫 Couldn't close %s: its trigger doesn't allow manual closing. It resolves when the trigger recovers. To close it by hand, set “Allow manual close” in the trigger.%s", name, said)
	case zabbix.NoObject:
		way := say.T(" If its trigger was deleted, `close %s` closes it here.", webex.EscapeCode(idIn(a.Key, say.several)))
		switch {
		case a.Key.EventID == "": // it is about hosts
			return say.T("🚫 Couldn't %s: the relay's user in Zabbix `%s` has no write permission on each of these hosts, or one is gone. A Zabbix administrator can give it: `alert-relay setup zabbix --write-host-group NAME`.%s", what, source, said)
		case r.act().closes:
			way = ""
		}
		if r.act().write {
			return say.T("🚫 Couldn't %s: event not found in Zabbix `%s`, or %s has no write permission on its host.%s%s", what, source, user, way, said)
		}
		return say.T("🚫 Couldn't %s: event not found in Zabbix `%s`, or %s has no read permission on its host.%s%s", what, source, user, way, said)
	case zabbix.Unsupported:
		return say.T("🚫 Couldn't %s: %s", what, webex.EscapeMarkdown(e.Message))
	case zabbix.Invalid:
		return say.T("❌ Couldn't %s: Zabbix `%s` rejected the request as invalid.%s", what, source, said)
	}
	if said == "" {
		said = say.T(" Try it in Zabbix. The relay's log has the full error.")
	}
	return say.T("❌ Couldn't %s: Zabbix `%s` refused.%s", what, source, said)
}

// closedGone returns the reply to a close of a problem that Zabbix no longer has.
func closedGone(a attempt, say voice) string {
	return say.T("✅ Zabbix `%s` no longer has %s: its trigger or host may have been deleted, or the relay's user can no longer see it. I closed it here as gone from Zabbix. If Zabbix shows it again, it reopens.",
		webex.EscapeCode(a.Key.Source), titled(a.Key, a.Name, say.several))
}

// doubtful returns the reply to a close of a problem that Zabbix may have, although it doesn't show it.
func doubtful(a attempt, doubt reconcile.Reason, say voice) string {
	return say.T("🚫 Couldn't close %s: Zabbix `%s` doesn't show it, but it may be open there: %s. I changed nothing; tell the relay's administrator.",
		titled(a.Key, a.Name, say.several), webex.EscapeCode(a.Key.Source), doubtWords(say.Lang, doubt))
}

// reason describes an error of Zabbix; the words follow "Zabbix main".
func reason(err error) lang.Phrase {
	var e *zabbix.Error
	switch {
	case !errors.As(err, &e):
		return lang.Say("got the request but didn't answer")
	case e.Kind == zabbix.Broken:
		return lang.Say("is failing (%s)", e.Message)
	case e.Status != 0:
		return lang.Say("answers with something other than its API (HTTP %d)", e.Status)
	case e.Unanswered:
		return lang.Say("got the request but didn't answer")
	}
	return lang.Say("can't be reached")
}

// waiting returns the interim reply while Zabbix is unreachable or failing.
func waiting(source string, until time.Time, why lang.Phrase, now time.Time, say voice) string {
	return say.T("⏳ Zabbix `%s` %s. I'll keep trying until %s and report back here; the command runs at most once.", webex.EscapeCode(source), webex.EscapeMarkdown(why.In(say.Lang)), say.moment(until, now))
}

func expired(a attempt, r Request, until time.Time, say voice, now time.Time) string {
	return say.T("⌛ Couldn't %s: Zabbix `%s` was unreachable or failing until %s, so I gave up. If you still want this, send the command again.",
		purpose(a, r, say), webex.EscapeCode(a.Key.Source), say.moment(until, now))
}

func unknown(a attempt, r Request, v verdict, say voice) string {
	why := say.T("got the request but didn't answer, and can't say what became of it")
	if a.Does != "" {
		return say.T("❓ I don't know whether I could %s: Zabbix `%s` %s. I won't try again, so that it isn't done twice. Check in Zabbix, and send the command again if needed.", a.Does, webex.EscapeCode(a.Key.Source), why)
	}
	if v == contradicted {
		why = say.T("has your message on record, but the problem doesn't show the change: somebody may have undone it")
	}
	return say.T("❓ I don't know whether I could %s: Zabbix `%s` %s. I won't try again, so that it isn't done twice. Check with `show %s` or in Zabbix, and send the command again if needed.",
		purpose(a, r, say), webex.EscapeCode(a.Key.Source), why, webex.EscapeCode(a.Key.String()))
}

// notDone returns the reply if Zabbix accepted an act and didn't do it.
func notDone(a attempt, r Request, say voice) string {
	return say.T("⚠️ Zabbix `%s` accepted the request to %s, but hasn't done it yet. Its server may be stopped or overloaded. The problem's message changes once it is done. Check with `show %s` or in Zabbix.",
		webex.EscapeCode(a.Key.Source), purpose(a, r, say), webex.EscapeCode(a.Key.String()))
}

// actedSince is why an acknowledgement wasn't taken back.
func actedSince(a attempt, say voice) string {
	return say.T("ℹ️ The acknowledgement of %s stays: somebody has acted on it since.", titled(a.Key, a.Name, say.several))
}

// outcome returns the reply once every attempt has ended; "" if the problem's thread shows it already.
func outcome(attempts []attempt, waited bool) string {
	needed := waited || len(attempts) > 1
	var lines []string
	for _, a := range attempts {
		needed = needed || a.NeedsReply || !a.Own || a.Stage != stageDone && a.Stage != stageVerifying
		lines = append(lines, a.Outcome)
	}
	if !needed {
		return ""
	}
	if len(lines) == 1 {
		return lines[0]
	}
	return "- " + strings.Join(lines, "\n- ")
}

// plain returns a reply without markup, for the audit log.
func plain(markdown string) string {
	return strings.NewReplacer("**", "", "`", "", "\\", "", "&#64;", "@", "&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(markdown)
}

// nothingToDo is the reply if a command about a digest has no problem to act on.
func (w wide) nothingToDo(l lang.Lang) string {
	if w.Asking != nil {
		return l.T("ℹ️ Nothing waits for this answer any more: somebody has acted on each of these problems, or it is over, or you may not act on it.")
	}
	return l.T("ℹ️ There is nothing to acknowledge: every problem of this digest is acknowledged or resolved, or you may not act on it.")
}

func problemsInAll(l lang.Lang, n int) string { return l.N(n, "%d problem", "%d problems") }

// progress returns the interim reply to a command about a whole digest.
func progress(l lang.Lang, w wide) string {
	if w.ended() == 0 {
		return l.T("⏳ Acknowledging %d problems. I'll update this message as I go.", w.Total)
	}
	return l.T("⏳ Acknowledging %d problems: %d done so far.", w.Total, w.ended())
}

// stopped returns the text that replaces the progress if the summary is a new message.
func stopped(l lang.Lang, w wide) string {
	return l.T("⚠️ Acknowledged %d of %d problems. The summary is in the next message.", w.Done, w.ended())
}

// summary returns the reply once all of a digest's problems have been dealt with.
func summary(l lang.Lang, w wide) string {
	var b strings.Builder
	failed := w.Failed + w.Expired
	switch {
	case w.ended() == 0:
		return w.nothingToDo(l)
	case failed == 0 && w.Asking != nil:
		b.WriteString(l.T("✅ Kept the acknowledgement of **%s**", problemsInAll(l, w.Done)))
	case failed == 0:
		b.WriteString(l.T("✅ Acknowledged all %d open problems of this digest", w.Done))
	default:
		b.WriteString(l.T("⚠️ Acknowledged %d of %d problems of this digest", w.Done, w.ended()))
	}
	if failed > 0 {
		b.WriteString(":\n")
		for _, line := range w.Lines {
			b.WriteString("\n- " + line)
		}
		if more := failed - len(w.Lines); more > 0 {
			b.WriteString("\n- " + l.T("… and %d more.", more))
			if w.Asking == nil {
				b.WriteString(l.T(" `problems unacked` lists what is left."))
			}
		}
	}
	return b.String()
}

// addressed puts the person's name behind the emoji of a reply: the room doesn't see who pressed a button.
// "" names nobody.
func addressed(who, answer string) string {
	mark, said, ok := strings.Cut(answer, " ")
	if who == "" || !ok {
		return answer
	}
	return mark + " " + who + ": " + said
}

// presser returns the name of the person who pressed a button; "" for a typed command.
func presser(l lang.Lang, h Input) string {
	if h.Button == nil {
		return ""
	}
	return actorName(l, alert.Actor{Name: h.Person.Name, Email: h.Person.Email})
}

func noRole(l lang.Lang, direct bool) string {
	if direct {
		return l.T("🚫 You have no role in any room, so I can't do anything for you here. The relay's administrator can give you one, under `people` in the configuration.")
	}
	return l.T("🚫 You have no role in this room, so I can't do anything for you here. The relay's administrator can give you one, under `people` in the configuration.")
}

// denied returns the reply to somebody whose role in a room or for a problem is too low.
func denied(l lang.Lang, v Verb, have config.Role, where string) string {
	return l.T("🚫 `%s` needs the role **%s**. Your role %s is **%s**. The relay's administrator can change that, under `people` in the configuration.", v, v.entry().role, where, have)
}

func tooFast(l lang.Lang, perMinute int) string {
	return l.T("🐢 More than %d commands in a minute: I'm ignoring yours until you slow down. This one was not run.", perMinute)
}

// noSuchPage returns the reply to a page after the last one.
func noSuchPage(l lang.Lang, asked, last int) string {
	if last == 1 {
		return l.T("That is all: the list has one page.")
	}
	return l.T("That is all: the list has %d pages, and you asked for page %d.", last, asked)
}

func tooFar(l lang.Lang) string {
	return l.T("A list has at most %d pages. Filter it, for example `problems host=sw1*`.", maxPages)
}

// noMatch returns the reply to a search that found nothing. It must not read as "all is well".
func noMatch(l lang.Lang, wanted string, open int) string {
	if open == 0 {
		return l.T("No open problem matches %s, and no other is open here.", wanted)
	}
	return l.N(open, "No open problem matches %[2]s. One other is open here: `problems` shows it.", "No open problem matches %[2]s. %[1]d others are open here: `problems` lists them.", wanted)
}

// idOf returns a key as a person types it.
func idOf(k alert.Key) string {
	if k.Source == "" {
		return k.EventID
	}
	return k.String()
}

// unsure asks about a word that may be an event id. refs are the ids before it, words the person's own words
// if it isn't one.
func unsure(v *verb, word string, refs []alert.Key, words string) lang.Phrase {
	named := string(v.name)
	for _, ref := range refs {
		named += " " + webex.EscapeCode(idOf(ref))
	}
	ids := cmp.Or(strings.Join(numbersIn(word), " "), "4711")
	example := v.object
	if v.prose {
		example = " …"
	}
	asked := lang.Say("I'm not sure whether `%s` is an event id or part of your words, so I did nothing. If you mean a problem, give its id alone: `%s %s%s`.", echo(word), named, ids, example)
	if !v.prose {
		named += v.object
	}
	if v.act != nil {
		asked = asked.And(lang.Say(" If these are your own words, put a colon and quotes: `%s: \"%s\"`.", named, echo(words)))
	}
	return asked
}

// numbersIn returns a few numbers in a word that may be event ids. Letters that look like digits count if the
// whole word looks like a number. Short numbers, as in 10:15 or 4.712, aren't proposed.
func numbersIn(word string) (ids []string) {
	if _, size := linkIn(word); size > 0 {
		if ids = linkedIDs(word); len(ids) == 0 {
			return nil
		}
	} else {
		if folded, looks := lookingLikeDigits(word); looks {
			word = folded
		}
		ids = strings.FieldsFunc(word, func(r rune) bool { return r < '0' || r > '9' })
		if len(ids) > 1 {
			ids = slices.DeleteFunc(ids, func(id string) bool { return len(id) < longRun })
		}
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return len(id) > maxDigits })
	return ids[:min(len(ids), 3)]
}

func whichProblem(l lang.Lang, v Verb, inThread bool) string {
	why := l.T("Which problem?")
	if inThread {
		why = l.T("This thread isn't about a single problem. Which one do you mean?")
	}
	return l.T("❔ %s Give its event id, for example `%s 4711%s`, or reply in the problem's thread.", why, v, v.entry().object)
}

func allOfWhat(l lang.Lang, inThread bool) string {
	if inThread {
		return l.T("❔ `ack all` works in the thread of a digest, and this thread isn't one. Nothing was done. In a problem's thread, say `ack` without `all`.")
	}
	return l.T("❔ `ack all` works in the thread of a digest: reply there. Nothing was done.")
}

func noSuchProblem(l lang.Lang, keys []alert.Key, verb Verb, direct, inThread bool) string {
	ids := make([]string, 0, len(keys))
	for _, k := range keys {
		ids = append(ids, "`"+webex.EscapeCode(idOf(k))+"`")
	}
	list := strings.Join(ids, ", ")
	text := l.N(len(ids), "❔ Unknown in this room: problem %[2]s.", "❔ Unknown in this room: problems %[2]s.", list)
	if direct {
		text = l.N(len(ids), "❔ Unknown, or not visible to you: problem %[2]s.", "❔ Unknown, or not visible to you: problems %[2]s.", list)
	}
	if verb.entry().act != nil {
		text += l.T(" Nothing was done.")
		if inThread {
			text += l.T(" If the number is part of your words, put a colon before them: `%s: %s …`.", verb, webex.EscapeCode(keys[0].EventID))
		}
	}
	return text
}

func whichSource(l lang.Lang, v Verb, eventID string, found []target) string {
	var b strings.Builder
	b.WriteString(l.T("❔ `%s` exists in more than one Zabbix. Which one?", webex.EscapeCode(eventID)) + "\n")
	for _, t := range found {
		fmt.Fprintf(&b, "\n- `%s %s`: %s", v, webex.EscapeCode(t.Key.String()), webex.EscapeMarkdown(text.Cut(t.Problem.Name, 80)))
	}
	return b.String()
}

func unknownButton() lang.Phrase {
	return lang.Say("I don't know this button: another version of the relay made its card. Type the command instead, for example `ack on it`.")
}

// otherCard: the press names another problem than the one that its card shows.
func otherCard() lang.Phrase {
	return lang.Say("This button isn't one of its card's problem, so I did nothing. Type the command instead, for example `ack 4711 on it`.")
}

// unreadable returns the reply if Webex doesn't let the bot read a message or press.
func unreadable(l lang.Lang) string {
	return l.T("❔ Webex didn't let me read this or its author, although I tried several times. Nothing was done. To try again, send a new message.")
}

// givenUp returns the reply to a command that can't continue because of the store. begun: Zabbix may have done some
// of it.
func givenUp(l lang.Lang, begun bool) string {
	done := l.T("Nothing was done. To try again, send the command again.")
	if begun {
		done = l.T("I don't know how much of it was done: check in Zabbix or with `show` before you send it again.")
	}
	return l.T("❌ I had to give up this command: the relay's store lost it, or can't keep it. %s The reason is in the relay's log.", done)
}

func lost(c store.Command, now time.Time, say voice) string {
	return say.T("⌛ I couldn't read this message from Webex in time (sent at %s), so nothing was done. If you still want it, send it again.", say.moment(c.CreatedAt, now))
}
