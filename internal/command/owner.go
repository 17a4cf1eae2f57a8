package command

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// ownerVerbs are the verbs about who takes care of a problem. Ownership is the relay's; Zabbix gets a comment about it.
func ownerVerbs() []verb {
	asked := func(r Request, _ alert.Severity) alert.Actions { return alert.Actions{Ack: r.Ack} }
	return []verb{
		{
			name: Take, aliases: []string{"claim"}, role: operator,
			usage: "take [ID …] [ack] [WORDS]", does: "makes problems yours: the message shows who takes care of it. With `ack` it acknowledges them too",
			examples: []string{"take 4711", "take 4711 4712 ack on it"},
			problems: true, parse: parseTake,
			act: &act{
				infinitive: "take", done: "Took", button: true, owns: true, actions: asked,
				after: func(l lang.Lang, r Request, _ func(time.Time) string) string {
					if r.Ack {
						return l.T(" and acknowledged it")
					}
					return ""
				},
			},
		},
		{
			name: Assign, role: operator,
			usage: "assign [ID …] PERSON [WORDS]", does: "gives problems to a person: a mention, an e-mail address, the part of it before the @, `me` or `nobody`",
			examples: []string{"assign 4711 alice@example.com", "assign 4711 alice it is your switch", "assign 4711 nobody"}, object: " alice@example.com",
			problems: true, parse: parseAssign,
			act: &act{
				infinitive: "assign", done: "Assigned", owns: true, actions: asked,
				after: func(l lang.Lang, r Request, _ func(time.Time) string) string {
					if r.Owner == nil || r.Owner.Email == "" {
						return l.T(" to nobody")
					}
					return l.T(" to %s", ownerName(l, *r.Owner))
				},
			},
		},
	}
}

// parseTake parses "[ids] [ack] [words]".
func parseTake(n Names, v *verb, said spoken, t named) (Request, *misunderstanding) {
	r, after := n.request(v, said, t), t.rest
	if t.words {
		return r, nil
	}
	word, behind := firstWord(after)
	if joiners[strings.ToLower(word)] {
		word, behind = firstWord(behind)
	}
	if lookup(bareWord(word)) != lookup(string(Ack)) {
		return r, nil
	}
	return n.behind(v, said, Request{Verb: v.name, Refs: t.refs, Ack: true}, colonOf(word)+behind, string(Ack))
}

// parseAssign parses "[ids] PERSON [words]". The person is resolved where the configuration is known.
func parseAssign(n Names, v *verb, said spoken, t named) (Request, *misunderstanding) {
	rest := strings.TrimLeft(t.rest, ":=>- ")
	if word, after := firstWord(rest); strings.EqualFold(word, "to") {
		rest = after
	}
	word, after := firstWord(rest)
	if written, behind := n.cutPerson(rest); written != "" {
		return n.behind(v, said, Request{Verb: v.name, Refs: t.refs, Person: strings.ToLower(written)}, behind, written)
	}
	name := strings.TrimPrefix(strings.Trim(strings.ToLower(word), ".,:;!*~`'\"()[]<>"), "@")
	if name == "" {
		return Request{}, misunderstood(v.name, "To whom? For example: `assign 4711 alice@example.com`, `assign 4711 me` or `assign 4711 nobody`.")
	}
	return n.behind(v, said, Request{Verb: v.name, Refs: t.refs, Person: name}, colonOf(word)+after, name)
}

// nobody are the words for releasing a problem, me those for the person who writes.
var nobody, me = []string{"nobody", "none", "noone"}, []string{"me", "myself"}

// newOwner returns who owns the problems once the request is done.
func (s scope) newOwner(r Request) (*alert.Owner, *misunderstanding) {
	mention, unsure := s.mention(r.Person)
	example := r.Verb.entry().exampleWith("@")
	self := &alert.Owner{ID: s.Input.Person.ID, Email: s.Input.Person.Email, Name: text.Line(s.Input.Person.Name)}
	switch {
	case unsure:
		return nil, misunderstood(r.Verb, "I'm not sure who `%s` is, so I did nothing. Give the e-mail address: `%s`.", echo(r.Person), example)
	case mention != nil && mention.Email == "":
		return nil, misunderstood(r.Verb, "Webex doesn't show me an e-mail address of `%s`, or it is a bot, so I did nothing. Give the e-mail address: `%s`.", echo(r.Person), example)
	case mention != nil && slices.Contains(s.addresses(), mention.Email):
		return self, nil
	case mention != nil:
		return &alert.Owner{ID: mention.ID, Email: mention.Email, Name: text.Line(mention.Name)}, nil
	case r.Verb == Take || slices.Contains(me, r.Person):
		return self, nil
	case slices.Contains(nobody, r.Person):
		return &alert.Owner{}, nil
	case slices.Contains(s.addresses(), r.Person):
		return self, nil
	case strings.Contains(r.Person, "@"):
		return &alert.Owner{Email: r.Person}, nil
	}
	var found []string
	for _, p := range s.People {
		if local, _, ok := strings.Cut(p.Email, "@"); ok && strings.EqualFold(local, r.Person) && !slices.Contains(found, p.Email) {
			found = append(found, p.Email)
		}
	}
	switch len(found) {
	case 0:
		return nil, misunderstood(r.Verb, "I don't know `%s`, so I did nothing. Mention the person, or give the e-mail address: `%s`.", echo(r.Person), example)
	case 1:
		if slices.Contains(s.addresses(), found[0]) {
			return self, nil
		}
		return &alert.Owner{Email: found[0]}, nil
	}
	quoted := make([]string, 0, len(found))
	for _, email := range found {
		quoted = append(quoted, "`"+echo(email)+"`")
	}
	return nil, misunderstood(r.Verb, "`%s` may be %s, so I did nothing. Give the whole e-mail address.", echo(r.Person), lang.Either(quoted))
}

// checkOwner returns the reply if a problem can't be given to a person, who couldn't act on it.
func (e *Executor) checkOwner(ctx context.Context, s scope, owner alert.Owner, found []target) (refusal string, err error) {
	other := s
	other.Input.Person = Person{ID: owner.ID, Email: owner.Email}
	if owner.Email == "" || slices.Contains(s.addresses(), owner.Email) {
		return "", nil
	}
	keys := make([]alert.Key, 0, len(found))
	for _, t := range found {
		keys = append(keys, t.Key)
	}
	visible, err := e.visible(ctx, other, keys)
	for _, k := range keys {
		if !visible[k].Role.AtLeast(config.RoleOperator) {
			return s.voice().T("🚫 %s can't act on %s: it takes the role **%s**, under `people` in the configuration. Nothing was done.", ownerName(s.voice().Lang, owner), nameIn(k, s.Several), config.RoleOperator), err
		}
	}
	return "", err
}

// ownerNote is the comment for Zabbix. The marker is for programs that read Zabbix's record.
func ownerNote(o alert.Owner, by Person) string {
	marker := fmt.Sprintf(" (via Webex) [relay:owner=%s]", o.Email)
	switch o.Email {
	case "":
		return "Released" + marker
	case by.Email:
		return "Taken by " + text.Cut(o.Label(), 100) + marker
	}
	return "Assigned to " + text.Cut(o.Label(), 100) + marker
}

// ownerName returns an owner for a reply.
func ownerName(l lang.Lang, o alert.Owner) string {
	return actorName(l, alert.Actor{Name: o.Name, Email: o.Email})
}

// owns reports whether the problem is the person's already.
func owns(p alert.Problem, o *alert.Owner) bool {
	return o != nil && strings.EqualFold(p.Owner.Email, o.Email)
}

// answerMine lists the person's open problems, the worst first. "my problems" in a direct chat has those that were posted there, too.
func answerMine(ctx context.Context, e *Executor, s scope, r Request, _ []target, room render.Room) (reply, outcome string, err error) {
	posted := ""
	if r.Posted && s.Direct {
		if posted, err = e.postedToMe(ctx, s, room); err != nil {
			return "", "", err
		}
	}
	reply, outcome, err = e.listOwned(ctx, s, r, room)
	return reply + posted, outcome, err
}

// postedToMe lists the open problems that were posted in the person's direct chat and that they don't own; "" for none.
func (e *Executor) postedToMe(ctx context.Context, s scope, room render.Room) (string, error) {
	rooms := make([]string, 0, len(s.addresses()))
	for _, email := range s.addresses() {
		rooms = append(rooms, config.DirectRoom(email))
	}
	found, err := e.o.Store.FindProblems(ctx, store.Filter{Open: true, Rooms: rooms, Limit: maxListed})
	if err != nil {
		return "", err
	}
	keys := make([]alert.Key, len(found))
	for i, p := range found {
		keys[i] = p.Key
	}
	visible, err := e.visible(ctx, s, keys)
	if err != nil {
		return "", err
	}
	found = slices.DeleteFunc(found, func(p alert.Problem) bool {
		_, ok := visible[p.Key]
		return !ok || slices.Contains(s.addresses(), p.Owner.Email)
	})
	if len(found) == 0 {
		return "", nil
	}
	list, _ := e.o.View().Renderer.Problems(found, 0, len(found), room, time.Now())
	return "\n\n" + room.Lang.T("🔔 **Posted to you here**, by your subscriptions or by Zabbix:") + "\n\n" + list, nil
}

func (e *Executor) listOwned(ctx context.Context, s scope, r Request, room render.Room) (reply, outcome string, err error) {
	filter := s.listed()
	filter.Open, filter.Owners = true, s.addresses()
	return e.list(ctx, filter, s, r, room, func() (string, error) {
		return room.Lang.T("ℹ️ No open problem here is yours. `take ID` makes one yours."), nil
	})
}

// maxActors is how many people `who` names for a problem.
const maxActors = 10

// answerWho says who owns problems and who acted on them; without a problem, who owns the open ones. Either way it says who is on duty.
func answerWho(ctx context.Context, e *Executor, s scope, _ Request, targets []target, room render.Room) (reply, outcome string, err error) {
	now := time.Now()
	var lines []string
	for _, t := range targets {
		lines = append(lines, whoActed(t.Problem, s.voice(), now))
	}
	onDuty := s.onDuty(now)
	if len(targets) > 0 {
		if onDuty != "" {
			lines = append(lines, onDuty)
		}
		return webex.CutMarkdown(strings.Join(lines, "\n\n"), webex.MaxMessageBytes), "listed", nil
	}
	const most = 200
	filter := s.listed()
	filter.Open, filter.Owned, filter.Limit = true, true, most
	found, err := e.o.Store.FindProblems(ctx, filter)
	if err != nil {
		return "", "", err
	}
	owned := whoOwns(found, len(found) == most, s.voice())
	if onDuty != "" {
		owned = webex.CutMarkdown(onDuty+"\n\n"+owned, webex.MaxMessageBytes)
	}
	return owned, "listed", nil
}

// whoActed describes the owner of a problem and the people who acted on it.
func whoActed(p alert.Problem, say voice, now time.Time) string {
	out := "**" + titled(p.Key, p.Name, say.several) + "**"
	if p.Owner.Email == "" {
		out += "\n- 👤 " + say.T("nobody yet")
	} else {
		out += "\n- 👤 " + say.T("%s, since %s", ownerName(say.Lang, p.Owner), say.moment(p.Owner.Since, now))
	}
	type actor struct {
		name string
		last time.Time
		acts int
	}
	var actors []actor
	for _, entry := range p.Timeline {
		if entry.Update == nil {
			continue
		}
		name := actorName(say.Lang, entry.Update.Actor)
		i := slices.IndexFunc(actors, func(a actor) bool { return a.name == name })
		if i < 0 {
			i, actors = len(actors), append(actors, actor{name: name})
		}
		actors[i].acts++
		if entry.At.After(actors[i].last) {
			actors[i].last = entry.At
		}
	}
	slices.SortStableFunc(actors, func(a, b actor) int { return b.last.Compare(a.last) })
	for i, a := range actors {
		if i == maxActors {
			out += "\n- " + say.T("… and %d more people", len(actors)-i)
			break
		}
		out += "\n- ✋ " + say.T("%s acted %s, last at %s", a.name, times(say.Lang, a.acts), say.moment(a.last, now))
	}
	if len(actors) == 0 {
		out += "\n- ✋ " + say.T("nobody has acted on it")
	}
	return out
}

func times(l lang.Lang, n int) string {
	if n == 2 {
		return l.T("twice")
	}
	return l.N(n, "once", "%d times")
}

// whoOwns lists the owners of problems, which are sorted.
func whoOwns(found []alert.Problem, cut bool, say voice) string {
	if len(found) == 0 {
		return say.T("ℹ️ Nobody owns an open problem here. `take ID` makes one yours.")
	}
	var names []string
	owned := map[string][]string{}
	for _, p := range found {
		name := ownerName(say.Lang, p.Owner)
		if owned[name] == nil {
			names = append(names, name)
		}
		owned[name] = append(owned[name], titled(p.Key, text.Shorten(p.Name, 40), say.several))
	}
	var b strings.Builder
	b.WriteString(say.T("Owners of open problems:") + "\n")
	for _, name := range names {
		list := owned[name]
		fmt.Fprintf(&b, "\n- 👤 %s: %s", name, strings.Join(list[:min(len(list), maxOwned)], ", "))
		if more := len(list) - maxOwned; more > 0 {
			b.WriteString(say.T(" and %d more", more))
		}
	}
	if cut {
		b.WriteString("\n\n" + say.T("These are the worst only."))
	}
	return webex.CutMarkdown(b.String(), webex.MaxMessageBytes)
}

// maxOwned is how many problems of an owner are named.
const maxOwned = 5
