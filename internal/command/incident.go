package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/incident"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// An incident is about problems of one room, whose roles count in its space, too. Package incident makes the space and keeps what is
// shown there true; the verbs only record what people want.

// theIncident finds the incident that a command means, among those that the person may know of from here. A target is never guessed.
func (e *Executor) theIncident(s scope, r Request) (i store.Incident, refusal string) {
	say := s.voice()
	here, inSpace := e.o.Incidents.Of(s.Room)
	switch {
	case r.Incident != 0:
		i, ok := e.o.Incidents.Get(r.Incident)
		if !ok || !e.mayKnow(s, i) {
			return i, say.T("❔ I don't know %s here. `incidents` lists those that were opened here.", incident.Number(r.Incident))
		}
		here = i
	case !inSpace:
		return here, say.T("❔ Which incident? Send it in the incident's space, or give its number: `%s%s INC-7`. `incidents` lists them.", r.Verb, map[Verb]string{Role: " lead", Check: " 2", Join: " 4712", Part: " 4712"}[r.Verb])
	}
	if role := s.roleIn(here.Room); !may(role, r.Verb) {
		return here, denied(say.Lang, r.Verb, role, say.T("where %s was opened", incident.Number(here.ID)))
	}
	if r.Verb.entry().sets && !here.Closed.IsZero() {
		return here, say.T("🔒 %s is closed, so I did nothing. `room` opens another one.", incident.Number(here.ID))
	}
	return here, ""
}

// mayKnow reports whether the person may know of an incident from here: in its space, where it was opened, or in a direct chat with a
// role there.
func (e *Executor) mayKnow(s scope, i store.Incident) bool {
	if !s.Direct {
		return s.Room != "" && (s.Room == i.Room || s.Room == incident.Space(i)) && may(s.roleIn(i.Room), Incident)
	}
	return may(s.roleIn(i.Room), Incident)
}

// incidentScope prepares a command in the space of an incident: `join` finds what was posted where the incident was opened, and a bare
// `note` is about all of its open problems. done: it has ended.
func (e *Executor) incidentScope(ctx context.Context, c *store.Command, s *scope, r *Request) (done bool, err error) {
	i, inSpace := e.o.Incidents.Of(s.Room)
	switch {
	case r.Verb == Join && inSpace:
		s.Input.Room = i.Room
		if r.Incident == 0 {
			r.Incident = i.ID
		}
	case r.Verb == Note:
		own, _, err := e.ownProblem(ctx, *s, s.ParentID, c.CreatedAt)
		if err != nil {
			return false, err
		}
		if inSpace && len(r.Refs) == 0 && own == (alert.Key{}) {
			return e.noteIncident(ctx, c, s, r, i)
		}
		r.Verb, c.Action = Comment, string(Comment)
	}
	return false, nil
}

// noteFor is how long the same note of a person is one note.
const noteFor = time.Minute

// noteIncident writes a note into the timeline, and makes the command one about the open problems. done: there is none.
func (e *Executor) noteIncident(ctx context.Context, c *store.Command, s *scope, r *Request, i store.Incident) (done bool, err error) {
	if !i.Closed.IsZero() {
		return true, e.refuse(ctx, *c, s.Input, &refusal{store.CommandFailed, s.voice().T("🔒 %s is closed, so I noted nothing.", incident.Number(i.ID))})
	}
	f, err := e.o.Incidents.Facts(ctx, i)
	if err != nil {
		return false, err
	}
	twice := slices.ContainsFunc(f.Entries, func(o store.IncidentEntry) bool {
		return o.Kind == store.IncidentNote && o.Text == r.Text && incident.Same(o.By, someone(s.Input.Person)) && o.Key != noteKey(c.ID) && c.CreatedAt.Sub(o.At).Abs() < noteFor
	})
	if twice {
		return true, e.finish(ctx, *c, "", store.CommandDone, s.voice().T("ℹ️ I noted that a moment ago."))
	}
	if _, err := e.o.Incidents.Enter(ctx, store.IncidentEntry{
		Incident: i.ID, Key: noteKey(c.ID), Kind: store.IncidentNote, At: c.CreatedAt, By: someone(s.Input.Person), Subject: markOf(c.ID), Text: r.Text,
	}); err != nil {
		return false, err
	}
	where := *s
	where.Input.Room = i.Room
	visible, err := e.visible(ctx, where, f.Current())
	if err != nil {
		return false, err
	}
	for _, p := range f.OpenProblems() {
		if ofTrigger(p) && may(visible[p.Key].Role, Note) {
			r.Refs = append(r.Refs, p.Key)
		}
	}
	if len(r.Refs) == 0 {
		c.Outcome = "noted in " + incident.Number(i.ID)
		return true, e.finish(ctx, *c, "", store.CommandDone, s.voice().T("📝 Noted in the timeline of %s. No problem of it is open, so Zabbix has no comment.", incident.Number(i.ID)))
	}
	r.Incident, r.Yes, r.Suspects = i.ID, true, nil
	s.Input.Room = i.Room
	return false, nil
}

func noteKey(command string) string { return "note:" + command }

func someone(p Person) store.Someone {
	return store.Someone{ID: p.ID, Email: p.Email, Name: text.Line(text.CutBytes(p.Name, 200))}
}

// problemsOf reads the problems of a command.
func (e *Executor) problemsOf(ctx context.Context, keys []string) (list []alert.Problem, err error) {
	var parsed []alert.Key
	for _, k := range keys {
		parsed = append(parsed, alert.ParseKey(k))
	}
	found, _, err := e.readable(ctx, parsed)
	for _, k := range parsed {
		if p, ok := found[k]; ok {
			list = append(list, p)
		}
	}
	return list, err
}

func (e *Executor) joinIncident(ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error) {
	i, refusal := e.theIncident(s, r)
	if refusal != "" {
		return e.reply(ctx, c, refusal)
	}
	problems, err := e.problemsOf(ctx, c.Keys)
	if err != nil {
		return "", err
	}
	e.accepting.Lock()
	defer e.accepting.Unlock()
	var keys []alert.Key
	for _, p := range problems {
		keys = append(keys, p.Key)
	}
	posts, err := e.o.Store.PostsOf(ctx, keys)
	if err != nil {
		return "", err
	}
	var joined []string
	for _, p := range problems {
		name := titled(p.Key, p.Name, s.Several)
		other, taken := e.o.Incidents.With(p.Key)
		switch {
		case !slices.ContainsFunc(posts[p.Key], func(post store.Post) bool { return post.Room == i.Room }): // its people have no role for it
			return e.reply(ctx, c, s.voice().T("🚫 %s isn't a problem of the room where %s was opened, so I joined nothing.", name, incident.Number(i.ID)))
		case taken && other.ID == i.ID && !e.entered(ctx, i.ID, joinKey(c.ID, p.Key)):
			return e.reply(ctx, c, s.voice().T("ℹ️ %s is in %s already.", name, incident.Number(i.ID)))
		case taken && other.ID != i.ID:
			return e.reply(ctx, c, s.voice().T("🚫 %s is in another incident, so I joined nothing.", name))
		case len(i.Problems)+len(problems) > incident.MaxProblems:
			return e.reply(ctx, c, s.voice().T("🚫 An incident has at most %d problems, so I joined nothing.", incident.MaxProblems))
		}
		joined = append(joined, name)
	}
	for _, p := range problems {
		if _, err := e.o.Incidents.Enter(ctx, store.IncidentEntry{
			Incident: i.ID, Key: joinKey(c.ID, p.Key), Kind: store.IncidentJoin, At: c.CreatedAt, By: someone(s.Input.Person), Subject: p.Key.String(), Text: p.Name,
		}); err != nil {
			return "", err
		}
	}
	if _, err = e.o.Incidents.Update(ctx, i.ID, func(i *store.Incident) {
		for _, p := range problems {
			incident.Join(i, p.Key, time.Now())
			incident.AddInvited(i, incident.Actors(p)...)
		}
	}); err != nil {
		return "", err
	}
	return e.reply(ctx, c, s.voice().T("➕ Joined to **%s**: %s. Its message comes to the space.", incident.Number(i.ID), s.voice().And(joined)))
}

func joinKey(command string, key alert.Key) string { return "join:" + command + ":" + key.String() }

// entered reports whether an entry is there: the command was read again after a crash.
func (e *Executor) entered(ctx context.Context, id int64, key string) bool {
	entries, err := e.o.Incidents.Entries(ctx, id)
	return err == nil && slices.ContainsFunc(entries, func(o store.IncidentEntry) bool { return o.Key == key })
}

func (e *Executor) partIncident(ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error) {
	i, refusal := e.theIncident(s, r)
	if refusal != "" {
		return e.reply(ctx, c, refusal)
	}
	problems, err := e.problemsOf(ctx, c.Keys)
	if err != nil {
		return "", err
	}
	var parted []string
	left := incident.Current(i)
	for _, p := range problems {
		name := titled(p.Key, p.Name, s.Several)
		if !slices.Contains(left, p.Key) && !e.entered(ctx, i.ID, joinKey(c.ID, p.Key)) {
			return e.reply(ctx, c, s.voice().T("ℹ️ %s isn't in %s, so I did nothing.", name, incident.Number(i.ID)))
		}
		left = slices.DeleteFunc(left, func(k alert.Key) bool { return k == p.Key })
		parted = append(parted, name)
	}
	if len(left) == 0 {
		return e.reply(ctx, c, s.voice().T("🚫 That would leave %s without a problem, so I did nothing. To end it: `conclude`.", incident.Number(i.ID)))
	}
	for _, p := range problems {
		if _, err := e.o.Incidents.Enter(ctx, store.IncidentEntry{
			Incident: i.ID, Key: joinKey(c.ID, p.Key), Kind: store.IncidentPart, At: c.CreatedAt, By: someone(s.Input.Person), Subject: p.Key.String(), Text: p.Name,
		}); err != nil {
			return "", err
		}
	}
	if _, err := e.o.Incidents.Update(ctx, i.ID, func(i *store.Incident) {
		for _, p := range problems {
			incident.Part(i, p.Key, time.Now())
		}
	}); err != nil {
		return "", err
	}
	return e.reply(ctx, c, s.voice().T("➖ Parted from **%s**: %s. Its message in the space is kept up to date until it is resolved.", incident.Number(i.ID), s.voice().And(parted)))
}

func (e *Executor) takeRole(ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error) {
	i, refusal := e.theIncident(s, r)
	if refusal != "" {
		return e.reply(ctx, c, addressed(presser(s.voice().Lang, s.Input), refusal))
	}
	n := slices.IndexFunc(s.Incident.Roles, func(role string) bool { return strings.EqualFold(role, r.Role) })
	if n < 0 {
		return e.reply(ctx, c, s.voice().T("❔ There is no role `%s`. There are %s.", echo(r.Role), s.voice().And(quotedNames(s.Incident.Roles))))
	}
	role := s.Incident.Roles[n]
	f, err := e.o.Incidents.Facts(ctx, i)
	if err != nil {
		return "", err
	}
	by, who := someone(s.Input.Person), someone(s.Input.Person)
	before := slices.IndexFunc(f.Entries, func(o store.IncidentEntry) bool { return o.Key == "role:"+c.ID })
	switch {
	case before >= 0: // read again after a crash
		who = f.Entries[before].Who
	case r.Toggle && incident.Same(f.Holder(role), by):
		who = store.Someone{}
	case r.Toggle || r.Person == "":
	default:
		owner, q := s.newOwner(Request{Verb: Role, Person: r.Person})
		if q != nil {
			return e.reply(ctx, c, "❔ "+q.said.In(s.voice().Lang))
		}
		who = store.Someone{ID: owner.ID, Email: owner.Email, Name: text.Line(text.CutBytes(owner.Name, 200))}
	}
	if who.Email != "" && !s.Incident.Allowed(who.Email) {
		return e.reply(ctx, c, s.voice().T("🚫 %s isn't in a domain that the relay's configuration allows, so I did nothing.", webex.EscapeMarkdown(incident.Label(who))))
	}
	if _, err := e.o.Incidents.Enter(ctx, store.IncidentEntry{
		Incident: i.ID, Key: "role:" + c.ID, Kind: store.IncidentRole, At: time.Now(), By: by, Who: who, Subject: role,
	}); err != nil {
		return "", err
	}
	if who.Email != "" {
		if _, err := e.o.Incidents.Update(ctx, i.ID, func(i *store.Incident) { incident.AddInvited(i, who) }); err != nil {
			return "", err
		}
	}
	holder := incident.Label(who) // "" for nobody
	outcome = fmt.Sprintf("%s in %s: %s", role, incident.Number(i.ID), cmp.Or(holder, "nobody"))
	if r.Toggle { // the card shows it
		return outcome, nil
	}
	return e.reply(ctx, c, s.voice().T("👤 **%s** in %s: %s.", webex.EscapeMarkdown(role), incident.Number(i.ID), webex.EscapeMarkdown(cmp.Or(holder, s.voice().C("owner", "nobody")))))
}

func quotedNames(names []string) []string {
	return text.Names(names, func(name string) string { return "`" + webex.EscapeCode(name) + "`" })
}

func (e *Executor) tick(ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error) {
	i, refusal := e.theIncident(s, r)
	if refusal != "" {
		return e.reply(ctx, c, addressed(presser(s.voice().Lang, s.Input), refusal))
	}
	if r.Number > int64(len(s.Incident.Checklist)) {
		return e.reply(ctx, c, s.voice().N(len(s.Incident.Checklist), "❔ The checklist has %d item.", "❔ The checklist has %d items."))
	}
	item := s.Incident.Checklist[r.Number-1]
	f, err := e.o.Incidents.Facts(ctx, i)
	if err != nil {
		return "", err
	}
	kind, done, said := store.IncidentCheck, "ticked", lang.Key("☑️ Ticked in %s: %s.")
	if last, ticked := f.Ticked(item); ticked && last.Key != "check:"+c.ID {
		kind, done, said = store.IncidentUncheck, "unticked", lang.Key("☑️ Unticked in %s: %s.")
		if s.Button != nil { // two people pressed it
			return "ticked already", nil
		}
	}
	if _, err := e.o.Incidents.Enter(ctx, store.IncidentEntry{
		Incident: i.ID, Key: "check:" + c.ID, Kind: kind, At: time.Now(), By: someone(s.Input.Person), Subject: item,
	}); err != nil {
		return "", err
	}
	outcome = fmt.Sprintf("%s in %s: %s", done, incident.Number(i.ID), item)
	if s.Button != nil {
		return outcome, nil
	}
	return e.reply(ctx, c, s.voice().Of(said, incident.Number(i.ID), webex.EscapeMarkdown(item)))
}

func (e *Executor) showIncident(ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error) {
	i, refusal := e.theIncident(s, r)
	if refusal != "" {
		return e.reply(ctx, c, refusal)
	}
	f, err := e.o.Incidents.Facts(ctx, i)
	if err != nil {
		return "", err
	}
	_, err = e.reply(ctx, c, incident.Show(f, s.Incident, s.voice().room))
	return "shown", err
}

// maxIncidents is how many incidents a list has.
const maxIncidents = 20

func (e *Executor) listIncidents(ctx context.Context, c store.Command, s scope, _ Request) (outcome string, err error) {
	say := s.voice()
	var lines []string
	for _, i := range slices.Backward(e.o.Incidents.All()) {
		if len(lines) == maxIncidents {
			break
		}
		if !e.mayKnow(s, i) {
			continue
		}
		f, err := e.o.Incidents.Facts(ctx, i)
		if err != nil {
			return "", err
		}
		line := fmt.Sprintf("**%s** %s: %s, %s", incident.Number(i.ID), webex.EscapeMarkdown(i.Title), f.State().Word(say.Lang), say.Time(i.Opened.In(say.room.Location), "2 Jan 2006 15:04 MST"))
		if link, ok := webex.SpaceLink(i.RoomID); ok && incident.Reachable(i) {
			line += say.T(" · [its space](%s)", link)
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return e.reply(ctx, c, say.T("ℹ️ No incident was opened here. `room 4711` opens one about a problem."))
	}
	_, err = e.reply(ctx, c, "- "+strings.Join(lines, "\n- "))
	return "listed", err
}

func (e *Executor) reviewIncident(ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error) {
	i, refusal := e.theIncident(s, r)
	if refusal != "" {
		return e.reply(ctx, c, refusal)
	}
	review, err := e.o.Incidents.Review(ctx, i, s.Incident)
	if err != nil {
		return "", err
	}
	words := s.voice().T("📄 The review of **%s**, as it is now.", incident.Number(i.ID))
	missing, err := e.attach(ctx, c, "review", words, store.File{Name: strings.ToLower(incident.Number(i.ID)) + "-review.md", Type: "text/markdown", Content: []byte(review)})
	if err != nil || missing == "" {
		return "posted the review of " + incident.Number(i.ID), err
	}
	return e.reply(ctx, c, words+missing)
}

func confirmConclude(e *Executor, s scope, _ store.Command, r Request) (q confirmation, refusal string, err error) {
	i, refusal := e.theIncident(s, r)
	if refusal != "" {
		return confirmation{}, refusal, nil
	}
	say, number, title, after := s.voice(), incident.Number(i.ID), webex.EscapeMarkdown(i.Title), ""
	if s.View.Incident.Leave {
		after = say.T(" Then I leave its space.")
	}
	question := say.T("❔ This ends **%s** %s now, whatever is open: I post its review, and nothing more happens in it.%s", number, title, after)
	if !i.Reviewed.IsZero() {
		question = say.T("❔ This closes **%s** %s now. Its review was posted already; a problem that comes again doesn't join it any more.%s", number, title, after)
	}
	return confirmation{question: question, button: say.T("Yes, end it")}, "", nil
}

func (e *Executor) conclude(ctx context.Context, c store.Command, s scope, r Request) (outcome string, err error) {
	i, refusal := e.theIncident(s, r)
	if refusal != "" {
		return e.reply(ctx, c, refusal)
	}
	ended, err := e.o.Incidents.Update(ctx, i.ID, func(i *store.Incident) {
		if i.EndedAt.IsZero() {
			i.Ended, i.EndedAt = someone(s.Input.Person), time.Now()
		}
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	if !ended.Reviewed.IsZero() {
		return e.reply(ctx, c, s.voice().T("🏁 Closed **%s**. Its review was posted already: `review %[1]s` posts it again.", incident.Number(i.ID)))
	}
	return e.reply(ctx, c, s.voice().T("🏁 Ended **%s**. Its review follows.", incident.Number(i.ID)))
}
