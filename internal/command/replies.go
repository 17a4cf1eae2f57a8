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

func doneWords(a attempt, r Request, several bool, now time.Time, loc *time.Location) string {
	act, after := r.act(), ""
	if act.after != nil {
		after = act.after(r, func(t time.Time) string { return render.Moment(t, now, loc) })
	}
	if a.As != "" {
		after += ", as the Zabbix user **" + webex.EscapeMarkdown(text.Cut(a.As, 100)) + "**"
	}
	return fmt.Sprintf("✅ %s %s%s", act.done, titled(a.Key, a.Name, several), after)
}

// doneEarlier returns the reply if nothing needs to be done; "" if Zabbix must be asked.
func doneEarlier(p alert.Problem, r Request, button bool, several bool, now time.Time, loc *time.Location) string {
	name := titled(p.Key, p.Name, several)
	switch {
	case p.State == alert.StateResolved && (button || r.Verb == Close):
		text := fmt.Sprintf("ℹ️ %s is already resolved.", name)
		if button {
			text += " Its buttons no longer do anything."
		}
		if r.Text != "" {
			text += fmt.Sprintf(" Your comment was not sent. To send it anyway: `comment %s …`.", webex.EscapeCode(idIn(p.Key, several)))
		}
		return text
	case r.Verb == Ack && p.Acknowledged && r.Text == "" && p.Asked() == nil:
		by := p.AcknowledgedBy()
		if by == nil {
			return fmt.Sprintf("ℹ️ %s is already acknowledged.", name)
		}
		return fmt.Sprintf("ℹ️ %s is already acknowledged, by %s (%s).", name, actorName(by.Actor), render.Moment(by.At, now, loc))
	case r.Owner != nil && owns(p, r.Owner) && r.Text == "" && (!r.Ack || p.Acknowledged):
		if r.Owner.Email == "" {
			return fmt.Sprintf("ℹ️ %s is nobody's.", name)
		}
		return fmt.Sprintf("ℹ️ %s is already %s's, since %s.", name, ownerName(p.Owner), render.Moment(p.Owner.Since, now, loc))
	case r.Verb == Unsuppress && p.Observed && !p.SuppressedAt(now) && r.Text == "":
		return fmt.Sprintf("ℹ️ %s isn't suppressed.", name)
	case r.Verb == Cause && p.Observed && p.CauseEventID == "":
		return fmt.Sprintf("ℹ️ %s is no symptom.", name)
	case r.Verb == Symptom && p.CauseEventID == r.Cause.EventID && r.Text == "":
		return fmt.Sprintf("ℹ️ %s is already a symptom of %s.", name, webex.EscapeMarkdown(r.Cause.EventID))
	case r.Verb == Severity && r.Severity != nil && p.Severity == *r.Severity && r.Text == "":
		return fmt.Sprintf("ℹ️ The severity of %s is already **%s**.", name, p.Severity)
	}
	return ""
}

// notShown is added to an open problem that Zabbix doesn't show now.
func notShown(key alert.Key, several bool) string {
	return fmt.Sprintf("⚠️ Zabbix `%s` doesn't show this event: its trigger or host may have been deleted, or the relay's user can no longer see it. `close %s` closes it here.",
		webex.EscapeCode(key.Source), webex.EscapeCode(idIn(key, several)))
}

func actorName(a alert.Actor) string {
	return webex.EscapeMarkdown(text.Cut(cmp.Or(a.Name, a.Email, "somebody"), 100))
}

// notATrigger: event.acknowledge accepts only triggers' events (documented).
func notATrigger(p alert.Problem, several bool) string {
	return fmt.Sprintf("🚫 %s is a %s event, not a trigger's problem. Zabbix allows no actions on those.", titled(p.Key, p.Name, several), p.Origin)
}

// superseded: its event id is another problem's now, which must not be acted on.
func superseded(key alert.Key, name string, several bool) string {
	return fmt.Sprintf("🚫 %s is gone from Zabbix, and its event id is another problem's now. Nothing was done. To act on that one, reply in its thread.", titled(key, name, several))
}

// notAnyMore: the person lost the role while the command waited.
func notAnyMore(a attempt, v Verb, several bool) string {
	return fmt.Sprintf("🚫 Nothing was done to %s: you no longer have the role **%s** that `%s` needs.", titled(a.Key, a.Name, several), v.entry().role, v)
}

func damagedProblem(key alert.Key, several bool) string {
	return fmt.Sprintf("🚫 The relay can't read %s in its store any more, so nothing was done to it. The relay's log has the reason.", nameIn(key, several))
}

// purpose returns what an attempt does, for a reply: "acknowledge 4711 Link down".
func purpose(a attempt, r Request, several bool) string {
	if a.Does != "" {
		return a.Does
	}
	return r.act().infinitive + " " + titled(a.Key, a.Name, several)
}

func noClient(a attempt, several bool) string {
	if a.Does != "" {
		return fmt.Sprintf("🚫 Couldn't %s: the relay has no API token for Zabbix `%s`, so it can't act there. Nothing was done.", a.Does, webex.EscapeCode(a.Key.Source))
	}
	return fmt.Sprintf("🚫 Nothing was done to %s: the relay has no API token for Zabbix `%s`, so it can't act there.", nameIn(a.Key, several), webex.EscapeCode(a.Key.Source))
}

// refused explains Zabbix's refusal and the remedy.
func refused(a attempt, r Request, e *zabbix.Error, several bool) string {
	name, verb, source := titled(a.Key, a.Name, several), r.act().infinitive, webex.EscapeCode(a.Key.Source)
	user := "the relay's user"
	if a.As != "" {
		user = "your Zabbix user **" + webex.EscapeMarkdown(text.Cut(a.As, 100)) + "**"
	}
	said := ""
	if e.Message != "" {
		said = fmt.Sprintf(" Zabbix says: “%s”", webex.EscapeMarkdown(text.Cut(e.Message, 500)))
	}
	switch e.Kind {
	case zabbix.NotAuthorised:
		return fmt.Sprintf("🔑 Couldn't %s %s: Zabbix `%s` rejected the relay's API token. Nothing was done. Do it in Zabbix, and tell the relay's administrator: the token must be renewed, or a proxy drops the Authorization header. The relay's log has the details.%s", verb, name, source, said)
	case zabbix.RoleForbids:
		return fmt.Sprintf("🚫 Couldn't %s %s: the role of %s in Zabbix `%s` doesn't allow it. A Zabbix administrator can allow the API method event.acknowledge and the action in that role.%s", verb, name, user, source, said)
	case zabbix.CloseForbidden:
		return fmt.Sprintf("🚫 Couldn't close %s: its trigger doesn't allow manual closing. It resolves when the trigger recovers. To close it by hand, set “Allow manual close” in the trigger.%s", name, said)
	case zabbix.NoObject:
		needs, way := "read", fmt.Sprintf(" If its trigger was deleted, `close %s` closes it here.", webex.EscapeCode(idIn(a.Key, several)))
		if r.act().write {
			needs = "write"
		}
		if r.act().closes {
			way = ""
		}
		return fmt.Sprintf("🚫 Couldn't %s %s: event not found in Zabbix `%s`, or %s has no %s permission on its host.%s%s", verb, name, source, user, needs, way, said)
	case zabbix.Unsupported:
		return fmt.Sprintf("🚫 Couldn't %s %s: %s", verb, name, webex.EscapeMarkdown(e.Message))
	case zabbix.Invalid:
		return fmt.Sprintf("❌ Couldn't %s %s: Zabbix `%s` rejected the request as invalid.%s", verb, name, source, said)
	}
	if said == "" {
		said = " Try it in Zabbix. The relay's log has the full error."
	}
	return fmt.Sprintf("❌ Couldn't %s %s: Zabbix `%s` refused.%s", verb, name, source, said)
}

// closedGone returns the reply to a close of a problem that Zabbix no longer has.
func closedGone(a attempt, several bool) string {
	return fmt.Sprintf("✅ Zabbix `%s` no longer has %s: its trigger or host may have been deleted, or the relay's user can no longer see it. I closed it here as gone from Zabbix. If Zabbix shows it again, it reopens.",
		webex.EscapeCode(a.Key.Source), titled(a.Key, a.Name, several))
}

// doubtful returns the reply to a close of a problem that Zabbix may have, although it doesn't show it.
func doubtful(a attempt, doubt reconcile.Reason, several bool) string {
	return fmt.Sprintf("🚫 Couldn't close %s: Zabbix `%s` doesn't show it, but it may be open there: %s. I changed nothing; tell the relay's administrator.",
		titled(a.Key, a.Name, several), webex.EscapeCode(a.Key.Source), doubt)
}

// reason describes an error of Zabbix; the words follow "Zabbix main".
func reason(err error) string {
	var e *zabbix.Error
	switch {
	case !errors.As(err, &e):
		return "got the request but didn't answer"
	case e.Kind == zabbix.Broken:
		return "is failing (" + e.Message + ")"
	case e.Status != 0:
		return fmt.Sprintf("answers with something other than its API (HTTP %d)", e.Status)
	case e.Unanswered:
		return "got the request but didn't answer"
	}
	return "can't be reached"
}

// waiting returns the interim reply while Zabbix is unreachable or failing.
func waiting(source string, until time.Time, why string, now time.Time, loc *time.Location) string {
	return fmt.Sprintf("⏳ Zabbix `%s` %s. I'll keep trying until %s and report back here; the command runs at most once.", webex.EscapeCode(source), webex.EscapeMarkdown(why), render.Moment(until, now, loc))
}

func expired(a attempt, r Request, until time.Time, several bool, now time.Time, loc *time.Location) string {
	return fmt.Sprintf("⌛ Couldn't %s: Zabbix `%s` was unreachable or failing until %s, so I gave up. If you still want this, send the command again.",
		purpose(a, r, several), webex.EscapeCode(a.Key.Source), render.Moment(until, now, loc))
}

func unknown(a attempt, r Request, v verdict, several bool) string {
	why := "got the request but didn't answer, and can't say what became of it"
	if a.Does != "" {
		return fmt.Sprintf("❓ I don't know whether I could %s: Zabbix `%s` %s. I won't try again, so that it isn't done twice. Check in Zabbix, and send the command again if needed.", a.Does, webex.EscapeCode(a.Key.Source), why)
	}
	if v == contradicted {
		why = "has your message on record, but the problem doesn't show the change: somebody may have undone it"
	}
	return fmt.Sprintf("❓ I don't know whether I could %s %s: Zabbix `%s` %s. I won't try again, so that it isn't done twice. Check with `show %s` or in Zabbix, and send the command again if needed.",
		r.act().infinitive, titled(a.Key, a.Name, several), webex.EscapeCode(a.Key.Source), why, webex.EscapeCode(a.Key.String()))
}

// notDone returns the reply if Zabbix accepted an act and didn't do it.
func notDone(a attempt, r Request, several bool) string {
	return fmt.Sprintf("⚠️ Zabbix `%s` accepted the request to %s %s, but hasn't done it yet. Its server may be stopped or overloaded. The problem's message changes once it is done. Check with `show %s` or in Zabbix.",
		webex.EscapeCode(a.Key.Source), r.act().infinitive, titled(a.Key, a.Name, several), webex.EscapeCode(a.Key.String()))
}

// actedSince is why an acknowledgement wasn't taken back.
func actedSince(a attempt, several bool) string {
	return fmt.Sprintf("ℹ️ The acknowledgement of %s stays: somebody has acted on it since.", titled(a.Key, a.Name, several))
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
func (w wide) nothingToDo() string {
	if w.Asking != nil {
		return "ℹ️ Nothing waits for this answer any more: somebody has acted on each of these problems, or it is over, or you may not act on it."
	}
	return "ℹ️ There is nothing to acknowledge: every problem of this digest is acknowledged or resolved, or you may not act on it."
}

func problemsInAll(n int) string {
	if n == 1 {
		return "1 problem"
	}
	return fmt.Sprintf("%d problems", n)
}

// progress returns the interim reply to a command about a whole digest.
func progress(w wide) string {
	if w.ended() == 0 {
		return fmt.Sprintf("⏳ Acknowledging %d problems. I'll update this message as I go.", w.Total)
	}
	return fmt.Sprintf("⏳ Acknowledging %d problems: %d done so far.", w.Total, w.ended())
}

// stopped returns the text that replaces the progress if the summary is a new message.
func stopped(w wide) string {
	return fmt.Sprintf("⚠️ Acknowledged %d of %d problems. The summary is in the next message.", w.Done, w.ended())
}

// summary returns the reply once all of a digest's problems have been dealt with.
func summary(w wide) string {
	var b strings.Builder
	failed := w.Failed + w.Expired
	switch {
	case w.ended() == 0:
		return w.nothingToDo()
	case failed == 0 && w.Asking != nil:
		fmt.Fprintf(&b, "✅ Kept the acknowledgement of **%s**", problemsInAll(w.Done))
	case failed == 0:
		fmt.Fprintf(&b, "✅ Acknowledged all %d open problems of this digest", w.Done)
	default:
		fmt.Fprintf(&b, "⚠️ Acknowledged %d of %d problems of this digest", w.Done, w.ended())
	}
	if failed > 0 {
		b.WriteString(":\n")
		for _, line := range w.Lines {
			b.WriteString("\n- " + line)
		}
		if more := failed - len(w.Lines); more > 0 {
			fmt.Fprintf(&b, "\n- … and %d more.", more)
			if w.Asking == nil {
				b.WriteString(" `problems unacked` lists what is left.")
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
func presser(h Input) string {
	if h.Button == nil {
		return ""
	}
	return actorName(alert.Actor{Name: h.Person.Name, Email: h.Person.Email})
}

func noRole(direct bool) string {
	where := "in this room"
	if direct {
		where = "in any room"
	}
	return fmt.Sprintf("🚫 You have no role %s, so I can't do anything for you here. The relay's administrator can give you one, under `people` in the configuration.", where)
}

// denied returns the reply to somebody whose role in a room or for a problem is too low.
func denied(v Verb, have config.Role, where string) string {
	return fmt.Sprintf("🚫 `%s` needs the role **%s**. Your role %s is **%s**. The relay's administrator can change that, under `people` in the configuration.", v, v.entry().role, where, have)
}

func tooFast(perMinute int) string {
	return fmt.Sprintf("🐢 More than %d commands in a minute: I'm ignoring yours until you slow down. This one was not run.", perMinute)
}

// noSuchPage returns the reply to a page after the last one.
func noSuchPage(asked, last int) string {
	if last == 1 {
		return "That is all: the list has one page."
	}
	return fmt.Sprintf("That is all: the list has %d pages, and you asked for page %d.", last, asked)
}

func tooFar() string {
	return fmt.Sprintf("A list has at most %d pages. Filter it, for example `problems host=sw1*`.", maxPages)
}

// noMatch returns the reply to a search that found nothing. It must not read as "all is well".
func noMatch(wanted string, open int) string {
	switch open {
	case 0:
		return "No open problem matches " + wanted + ", and no other is open here."
	case 1:
		return "No open problem matches " + wanted + ". One other is open here: `problems` shows it."
	}
	return fmt.Sprintf("No open problem matches %s. %d others are open here: `problems` lists them.", wanted, open)
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
func unsure(v *verb, word string, refs []alert.Key, words string) string {
	named := string(v.name)
	for _, ref := range refs {
		named += " " + webex.EscapeCode(idOf(ref))
	}
	ids := cmp.Or(strings.Join(numbersIn(word), " "), "4711")
	example := v.object
	if v.prose {
		example = " …"
	}
	text := fmt.Sprintf("I'm not sure whether `%s` is an event id or part of your words, so I did nothing. If you mean a problem, give its id alone: `%s %s%s`.", echo(word), named, ids, example)
	if !v.prose {
		named += v.object
	}
	if v.act != nil {
		text += fmt.Sprintf(" If these are your own words, put a colon and quotes: `%s: \"%s\"`.", named, echo(words))
	}
	return text
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

func whichProblem(v Verb, inThread bool) string {
	why := "Which problem?"
	if inThread {
		why = "This thread isn't about a single problem. Which one do you mean?"
	}
	return fmt.Sprintf("❔ %s Give its event id, for example `%s 4711%s`, or reply in the problem's thread.", why, v, v.entry().object)
}

func allOfWhat(inThread bool) string {
	if inThread {
		return "❔ `ack all` works in the thread of a digest, and this thread isn't one. Nothing was done. In a problem's thread, say `ack` without `all`."
	}
	return "❔ `ack all` works in the thread of a digest: reply there. Nothing was done."
}

func noSuchProblem(keys []alert.Key, verb Verb, direct, inThread bool) string {
	what := "Unknown in this room"
	if direct {
		what = "Unknown, or not visible to you"
	}
	ids := make([]string, 0, len(keys))
	for _, k := range keys {
		ids = append(ids, "`"+webex.EscapeCode(idOf(k))+"`")
	}
	noun := "problem"
	if len(ids) > 1 {
		noun = "problems"
	}
	text := fmt.Sprintf("❔ %s: %s %s.", what, noun, strings.Join(ids, ", "))
	if verb.entry().act != nil {
		text += " Nothing was done."
		if inThread {
			text += fmt.Sprintf(" If the number is part of your words, put a colon before them: `%s: %s …`.", verb, webex.EscapeCode(keys[0].EventID))
		}
	}
	return text
}

func whichSource(v Verb, eventID string, found []target) string {
	var b strings.Builder
	fmt.Fprintf(&b, "❔ `%s` exists in more than one Zabbix. Which one?\n", webex.EscapeCode(eventID))
	for _, t := range found {
		fmt.Fprintf(&b, "\n- `%s %s`: %s", v, webex.EscapeCode(t.Key.String()), webex.EscapeMarkdown(text.Cut(t.Problem.Name, 80)))
	}
	return b.String()
}

func unknownButton() string {
	return "I don't know this button: another version of the relay made its card. Type the command instead, for example `ack on it`."
}

// otherCard: the press names another problem than the one that its card shows.
func otherCard() string {
	return "This button isn't one of its card's problem, so I did nothing. Type the command instead, for example `ack 4711 on it`."
}

// unreadable returns the reply if Webex doesn't let the bot read a message or press.
func unreadable() string {
	return "❔ Webex didn't let me read this or its author, although I tried several times. Nothing was done. To try again, send a new message."
}

// givenUp returns the reply to a command that can't continue because of the store. begun: Zabbix may have done some
// of it.
func givenUp(begun bool) string {
	done := "Nothing was done. To try again, send the command again."
	if begun {
		done = "I don't know how much of it was done: check in Zabbix or with `show` before you send it again."
	}
	return "❌ I had to give up this command: the relay's store lost it, or can't keep it. " + done + " The reason is in the relay's log."
}

func lost(c store.Command, now time.Time, loc *time.Location) string {
	return fmt.Sprintf("⌛ I couldn't read this message from Webex in time (sent at %s), so nothing was done. If you still want it, send it again.", render.Moment(c.CreatedAt, now, loc))
}
