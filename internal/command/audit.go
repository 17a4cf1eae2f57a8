package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/incident"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// Outcomes of commands whose reply is a question.
const (
	askedFirst  = "asked for a confirmation"
	askedSecond = "asked for a second person's approval"
)

// audited is how many commands a page of the audit log has.
const audited = 20

func auditVerbs() []verb {
	return []verb{{
		name: Audit, role: config.RoleAdmin,
		usage: "audit [ID] [PERSON] [since LENGTH] [page N]", does: "lists who did what, when, and with which result, newest first. In a room, what was said there or about its problems",
		examples: []string{"audit", "audit 4711", "audit alice since 2d"},
		parse:    parseAudit, answer: answerAudit,
	}}
}

// parseAudit parses "[ID] [PERSON] [since LENGTH] [page N]", in any order.
func parseAudit(n Names, v *verb, _ spoken, t named) (Request, *misunderstanding) {
	r := Request{Verb: v.name}
	rest := strings.TrimLeft(t.rest, ":,; ")
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		if page, after, ok := cutPage(rest); ok {
			if page < 1 || page > maxPages {
				return Request{}, misunderstood(v.name, "There are pages 1 to %d.", maxPages)
			}
			r.Page, rest = page-1, after
			continue
		}
		word, after := firstWord(rest)
		name, value, named := strings.Cut(word, "=")
		if name = strings.ToLower(name); !named {
			value = strings.Trim(word, ".,;!?`'\"")
		}
		switch bare := bareWord(word); {
		case bare == "since" || named && name == "since":
			if named {
				after = value + " " + after
			}
			l, left, ok := cutLength(after)
			if !ok || l.For <= 0 {
				return Request{}, misunderstood(v.name, "Since when? For example: `audit since 2d`.")
			}
			r.Length, after = l, left
		case named && name != "person" && name != "problem":
			return Request{}, misunderstood(v.name, "I don't know the filter `%s=`. There are `person=alice`, `problem=4711` and `since=2d`.", echo(name))
		case bare == "by" || bare == "of" || bare == "for":
		default:
			if ref, ok := n.parseRef(value); ok && name != "person" {
				r.Refs = []alert.Key{ref}
			} else {
				r.Person = strings.ToLower(value)
			}
		}
		rest = after
	}
	return r, nil
}

// auditScope returns the rooms whose commands the person may list from here; nil for all commands.
func (s scope) auditScope() (rooms []string, allowed bool) {
	switch {
	case !s.Direct:
		return []string{s.Room}, may(s.roleIn(s.Room), Audit)
	case may(s.roleIn(""), Audit):
		return nil, true
	}
	for _, room := range s.Rooms {
		if may(s.roleIn(room.Name), Audit) {
			rooms = append(rooms, room.Name)
		}
	}
	return rooms, len(rooms) > 0
}

// actingVerbs are the verbs whose commands change something.
func actingVerbs() (names []string) {
	for _, v := range verbs {
		if v.act != nil || v.work != nil || v.handle != nil || v.sets {
			names = append(names, string(v.name))
		}
	}
	return names
}

// answerAudit lists commands that changed something, or were meant to.
func answerAudit(ctx context.Context, e *Executor, s scope, r Request, _ []target, room render.Room) (reply, outcome string, err error) {
	rooms, allowed := s.auditScope()
	if !allowed { // the role was taken away after the first page
		return denied(room.Lang, Audit, s.role(), s.where()), "listed", nil
	}
	f := store.CommandFilter{Rooms: rooms, Person: r.Person, Actions: actingVerbs(), Offset: r.Page * audited, Limit: audited + 1}
	if r.Length.For > 0 {
		f.Since = time.Now().Add(-r.Length.For)
	}
	switch {
	case len(r.Refs) > 0:
		f.Problem = idOf(r.Refs[0])
	case s.ParentID != "": // the thread's problem
		post, err := e.o.Store.PostByMessage(ctx, s.ParentID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return "", "", err
		}
		if err == nil {
			f.Problem = post.Key.String()
		}
	}
	found, err := e.o.Store.FindCommands(ctx, f)
	if err != nil {
		return "", "", err
	}
	e.lists.remember(s, r)
	if len(found) == 0 {
		if r.Page > 0 {
			return room.Lang.T("That is all."), "listed", nil
		}
		return room.Lang.Of(nothingAudited), "listed", nil
	}
	more := len(found) > audited
	found = found[:min(len(found), audited)]
	if err := e.hideElsewhere(ctx, found, rooms); err != nil {
		return "", "", err
	}
	if f.Problem != "" { // a hidden problem must not be found by its id
		found = slices.DeleteFunc(found, func(c store.Command) bool {
			return !slices.ContainsFunc(c.Keys, func(k string) bool { return k == f.Problem || alert.ParseKey(k).EventID == f.Problem })
		})
	}
	if len(found) == 0 {
		return room.Lang.Of(nothingAudited), "listed", nil
	}
	return e.auditList(s, found, more, time.Now()), "listed", nil
}

const nothingAudited = lang.Key("ℹ️ Nobody has done anything that matches.")

// hideElsewhere removes from commands about several problems, given in another room, what isn't about problems of these rooms; nil
// for all rooms.
func (e *Executor) hideElsewhere(ctx context.Context, found []store.Command, rooms []string) error {
	for i := range found {
		c := &found[i]
		if rooms == nil || len(c.Keys) < 2 || slices.Contains(rooms, c.Room) {
			continue
		}
		keys := make([]alert.Key, 0, len(c.Keys))
		for _, k := range c.Keys {
			keys = append(keys, alert.ParseKey(k))
		}
		posts, err := e.o.Store.PostsOf(ctx, keys)
		if err != nil {
			return err
		}
		c.Text, c.Outcome, c.Keys = c.Action, "", nil
		for _, k := range keys {
			if slices.ContainsFunc(posts[k], func(p store.Post) bool { return slices.Contains(rooms, p.Room) }) {
				c.Keys = append(c.Keys, k.String())
			}
		}
	}
	return nil
}

// auditList describes commands, newest first. It names no room in which the person has no role.
func (e *Executor) auditList(s scope, found []store.Command, more bool, now time.Time) string {
	say := s.voice()
	var b strings.Builder
	for _, c := range found {
		where := say.T("in another room")
		i, isIncident := e.o.Incidents.Of(c.Room)
		switch {
		case isIncident && may(s.roleIn(c.Room), Rooms):
			where = say.T("in the space of %s", incident.Number(i.ID))
		case isIncident:
		case c.Room == "" && c.Action == string(Bind), binding.IsSpace(c.Room):
			where = say.T("in a space that isn't configured")
		case c.Direct():
			where = say.T("in a direct chat")
		case c.Room == "":
			where = say.T("outside of the rooms")
		case may(s.roleIn(c.Room), Rooms):
			where = say.T("in %s", webex.EscapeMarkdown(c.Room))
		}
		fmt.Fprintf(&b, "- %s %s, %s: `%s`", say.moment(c.CreatedAt, now), actorName(say.Lang, alert.Actor{Name: c.Name, Email: c.Email}), where,
			webex.EscapeCode(text.Shorten(text.Line(c.Text), 100)))
		if about := auditKeys(c.Keys, say); about != "" {
			b.WriteString(" · " + about)
		}
		b.WriteString(" → " + auditResult(say.Lang, endOf(c), c.Outcome) + "\n")
	}
	if more {
		b.WriteString("\n" + say.T("`more` shows older ones."))
	}
	return webex.CutMarkdown(strings.TrimSpace(b.String()), webex.MaxMessageBytes)
}

// endOf says how a command ended, by what became of its attempts. A question in reply to it isn't a failure.
func endOf(c store.Command) string {
	d, err := decodeDetail(c.Detail)
	ends := map[stage]int{}
	for _, a := range d.Attempts {
		ends[a.Stage]++
	}
	if w := d.Wide; w != nil {
		ends[stageDone] += w.Done
	}
	switch {
	case d.Asked != nil && d.Second:
		return askedSecond
	case d.Asked != nil:
		return askedFirst
	case err != nil || c.State != store.CommandFailed && c.State != store.CommandExpired:
		return string(c.State)
	case ends[stageUnknown]+ends[stageExecuting] > 0:
		return "unclear"
	case ends[stageDone] > 0:
		return "partly done"
	case ends[stageUnverified] > 0: // accepted by Zabbix, and not done yet
		return "incomplete"
	case c.State == store.CommandFailed && (d.Request == nil || len(d.Attempts) > 0 && ends[stageRefused] == len(d.Attempts)):
		return "not done"
	}
	return string(c.State)
}

// endWords are the results for readers.
var endWords = map[string]lang.Key{
	askedFirst: lang.Key("asked for a confirmation"), askedSecond: lang.Key("asked for a second person's approval"),
	"unclear": lang.Key("unclear"), "partly done": lang.Key("partly done"), "incomplete": lang.Key("incomplete"), "not done": lang.Key("not done"),
	string(store.CommandReceived): lang.Key("received"), string(store.CommandExecuting): lang.Key("executing"), string(store.CommandRetrying): lang.Key("retrying"),
	string(store.CommandDone): lang.Key("done"), string(store.CommandFailed): lang.Key("failed"), string(store.CommandExpired): lang.Key("expired"),
	string(store.CommandDenied): lang.Key("denied"),
}

// auditResult says how a command ended, with the beginning of the outcome.
func auditResult(l lang.Lang, result, outcome string) string {
	const most = 3
	var said []string
	lines := strings.Split(outcome, "\n")
	for _, line := range lines[:min(len(lines), most)] {
		if line = strings.TrimPrefix(line, "- "); line != "" {
			said = append(said, webex.EscapeMarkdown(text.Shorten(text.Line(line), 160)))
		}
	}
	if n := len(lines) - most; n > 0 {
		said = append(said, l.T("and %d more", n))
	}
	if outcome == "" || outcome == result {
		return "**" + l.Of(endWords[result]) + "**"
	}
	return "**" + l.Of(endWords[result]) + "**: " + strings.Join(said, " ")
}

// auditKeys names the problems of a command, the first few.
func auditKeys(keys []string, say voice) string {
	const most = 3
	names := make([]string, 0, most)
	for _, k := range keys[:min(len(keys), most)] {
		names = append(names, nameIn(alert.ParseKey(k), say.several))
	}
	if n := len(keys) - most; n > 0 {
		names = append(names, say.T("and %d more", n))
	}
	return strings.Join(names, " ")
}
