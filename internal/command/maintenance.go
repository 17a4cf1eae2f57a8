package command

import (
	"context"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
)

// What `maintenance` does.
const (
	startIt  = "start"
	listThem = "list"
	stopIt   = "stop"
)

func maintenanceVerbs() []verb {
	return []verb{{
		name: Maintenance, aliases: []string{"maint"}, role: config.RoleAdmin,
		usage:    "maintenance start [HOST, …] LENGTH [WORDS] · list [HOST, …] · stop [HOST, …]",
		does:     "starts a maintenance in Zabbix of hosts, of a host group (`group=\"Core switches\"`) or, in a problem's thread, of its hosts; lists what runs, or what a host is in; ends what was started here",
		examples: []string{"maintenance start sw1 2h new firmware", "maintenance start sw1, sw2 until mon 8:00", `maintenance start group="Core switches" 1h`, "maintenance list", "maintenance stop sw1"},
		parse:    parseMaintenance, work: &worker{setup: " --maintenance", role: func(View, Task) config.Role { return config.RoleAdmin }, begin: beginMaintenance, step: stepMaintenance},
	}}
}

// parseMaintenance parses "start HOSTS LENGTH [words]", "list [HOSTS]" and "stop [HOSTS]".
func parseMaintenance(n Names, v *verb, said spoken, t named) (Request, *misunderstanding) {
	word, rest := firstWord(strings.TrimLeft(t.rest, ":,- "))
	what := bareWord(word)
	switch what {
	case "", listThem, "ls", "show":
		what = listThem
	case startIt, "begin":
		what = startIt
	case stopIt, "end":
		what = stopIt
	default:
		return Request{}, misunderstood(v.name, "Start, list or stop? For example: `maintenance start sw1 2h new firmware`, `maintenance list`, `maintenance stop sw1`. Nothing was done.")
	}
	task := Task{What: what}
	rest = strings.TrimLeft(rest, ":,- \n")
	hosts, after, quoted := cutHosts(&task, rest)
	r := Request{Verb: v.name, Task: &task}
	if what != startIt {
		n.addHosts(&task, append(hosts, strings.Split(after, ",")...))
		return r, nil
	}
	head, l, behind, ok := splitLength(after)
	switch {
	case !ok:
		return Request{}, misunderstood(v.name, "For how long? For example: `maintenance start sw1 2h`, `until 14:30` or `until mon 8:00`, and then your words.")
	case l.Forever:
		return Request{}, misunderstood(v.name, "A maintenance needs an end: `maintenance start sw1 2d`.")
	case quoted && strings.Trim(head, ",: \n") != "":
		return Request{}, misunderstood(v.name, "I don't understand `%s` before the length, so I did nothing. Hosts and length come first, then your words.", echo(head))
	case !quoted:
		hosts = strings.Split(head, ",")
	}
	n.addHosts(&task, hosts)
	if len(task.Hosts) > maxRefs {
		return Request{}, misunderstood(v.name, "That is more than %d hosts at once. Name a host group: `maintenance start group=\"Core switches\" 2h`.", maxRefs)
	}
	r.Length, r.Text = l, said.words(strings.TrimLeft(behind, ": "))
	if yes := saidYes.FindString(r.Text); yes != "" && task.Group != "" {
		r.Yes, r.Text = true, unquote(r.Text[len(yes):])
	}
	return r, nil
}

// cutHosts reads `group="Core switches"`, `host=sw1` and quoted names. quoted: after follows them; otherwise it begins with names
// without quotes.
func cutHosts(t *Task, rest string) (names []string, after string, quoted bool) {
	if first, behind := firstWord(rest); slices.Contains([]string{"on", "of", "for"}, bareWord(first)) {
		if _, _, length := cutLength(rest); !length {
			rest = strings.TrimLeft(behind, " \n")
		}
	}
	lower := strings.ToLower(rest)
	switch {
	case strings.HasPrefix(lower, "group="):
		t.Group, after = cutName(rest[len("group="):])
		return nil, after, true
	case strings.HasPrefix(lower, "host="):
		t.Technical = true
		name, after := cutName(rest[len("host="):])
		return []string{name}, after, true
	}
	for strings.HasPrefix(rest, `"`) {
		var name string
		name, after = cutName(rest)
		names = append(names, name)
		rest, quoted = after, true
		if next := strings.TrimLeft(after, " \n,"); strings.HasPrefix(next, `"`) {
			rest = next
		}
	}
	return names, rest, quoted
}

// cutName splits off a quoted name, or one word.
func cutName(s string) (name, after string) {
	if inside, ok := strings.CutPrefix(s, `"`); ok {
		if name, after, ok = strings.Cut(inside, `"`); ok {
			return strings.TrimSpace(name), after
		}
	}
	return firstWord(s)
}

// addHosts adds names, and takes the source from the first one that has one.
func (n Names) addHosts(t *Task, names []string) {
	if t.Group != "" {
		t.Source, t.Group = n.cutSource(t.Group)
	}
	for _, name := range names {
		source, name := n.cutSource(strings.Trim(name, " \n:;,\"'`"))
		if t.Source == "" {
			t.Source = source
		}
		if strings.Trim(name, ".!") != "" && !slices.Contains(t.Hosts, name) {
			t.Hosts = append(t.Hosts, name)
		}
	}
}

func beginMaintenance(ctx context.Context, e *Executor, s scope, c *store.Command, r *Request) ([]attempt, *refusal, error) {
	v, t, room := r.Verb.entry(), *r.Task, roomOf(*c, s.View)
	r.Task = &t
	sources := e.acting()
	if t.What == startIt {
		var q *misunderstanding
		if r.Until, q = lastsUntil(v, r.Length, c.CreatedAt, time.Now(), room); q != nil {
			return nil, &refusal{store.CommandFailed, "❔ " + q.said.In(room.Lang)}, nil
		}
		r.Until = zabbix.MaintenanceEnd(r.Until)
		if r.Until.Sub(c.CreatedAt) < zabbix.MinMaintenance-time.Second {
			return nil, &refusal{store.CommandFailed, room.Lang.T("❔ A maintenance lasts at least 5 minutes in Zabbix. Nothing was done.")}, nil
		}
	}
	at, refused, err := e.placeOf(ctx, s, c, v, v.role, &t, sources)
	if refused != nil || err != nil {
		return nil, refused, err
	}
	hint := map[bool]string{true: " 2h"}[t.What == startIt]
	switch {
	case t.What == listThem && len(t.Hosts) == 0 && t.Group == "" && at.source == "" && len(sources) > 0: // each one's
	case t.What != listThem && len(t.Hosts) == 0 && t.Group == "":
		return nil, &refusal{store.CommandFailed, room.Lang.T("❔ Which host? For example: `maintenance %s sw1%s`. In a problem's thread you can leave it out.", t.What, hint)}, nil
	case at.source == "":
		return nil, whichZabbix(room.Lang, v, sources, "maintenance "+t.What+" %ssw1"+hint), nil
	case !slices.Contains(sources, at.source):
		return nil, &refusal{store.CommandFailed, room.Lang.T("🚫 The relay has no API token for Zabbix `%s`, so it can't act there.", webex.EscapeCode(at.source))}, nil
	default:
		sources = []string{at.source}
	}
	does := room.Lang.T("list the maintenances")
	switch named := t.named(room.Lang); {
	case t.What == startIt:
		does = room.Lang.T("start a maintenance of %s", named)
	case t.What == stopIt:
		does = room.Lang.T("end a maintenance of %s", named)
	case named != "":
		does = room.Lang.T("list the maintenances of %s", named)
	}
	var attempts []attempt
	for _, source := range sources {
		attempts = append(attempts, attempt{Key: sourceKey(source), Does: does, Message: markOf(c.ID)})
	}
	return attempts, nil, nil
}

// named returns the hosts or the group for a reply.
func (t Task) named(l lang.Lang) string {
	if t.Group != "" {
		return l.T("the host group `%s`", webex.EscapeCode(text.Shorten(t.Group, 100)))
	}
	var names []string
	for _, h := range t.Hosts {
		names = append(names, "`"+webex.EscapeCode(text.Shorten(text.Line(h), 100))+"`")
	}
	return l.Some(names, maxHostsNamed)
}

func stepMaintenance(ctx context.Context, e *Executor, l *lane, b *batch, r round) (time.Duration, error) {
	if r.late && b.attempts[0].Stage != stageExecuting {
		return 0, e.endAttempts(ctx, b, stageExpired, func(a attempt) string { return e.expired(b.job, a, b.req, r.until) })
	}
	running, err := l.zabbix.Maintenances(context.WithoutCancel(ctx), time.Now())
	if err != nil {
		return e.cannotYet(ctx, l, b, err, r)
	}
	t, err := endSentence(ctx, l, *b.req.Task)
	if err != nil {
		return e.cannotYet(ctx, l, b, err, r)
	}
	b.req.Task = &t // of this batch
	at := b.voice(e.o.View())
	switch t.What {
	case startIt:
		return e.startMaintenance(ctx, l, b, r, running, at)
	case stopIt:
		return e.stopMaintenance(ctx, l, b, r, running, at)
	default:
		return e.listMaintenances(ctx, l, b, r, running, at)
	}
}

// listMaintenances lists all maintenances, or those of hosts, also through their groups.
func (e *Executor) listMaintenances(ctx context.Context, l *lane, b *batch, r round, running []zabbix.Maintenance, at voice) (time.Duration, error) {
	t := *b.req.Task
	groups, refusal, err := groupsOf(ctx, l, at, t, running)
	switch {
	case err != nil:
		return e.cannotYet(ctx, l, b, err, r)
	case refusal != "":
		return 0, e.endAttemptsAs(ctx, b, stageRefused, refusal)
	}
	return 0, e.endAttemptsAs(ctx, b, stageDone, maintenanceList(l.source, t, running, groups, at))
}

// groupsOf returns the host groups of the hosts that are named, if a maintenance is of a group. refusal: they aren't exactly one host each.
func groupsOf(ctx context.Context, l *lane, at voice, t Task, running []zabbix.Maintenance) (groups []string, refusal string, err error) {
	hosts, refusal, err := findHosts(ctx, l, at.Lang, t)
	if len(hosts) == 0 || refusal != "" || err != nil || !slices.ContainsFunc(running, func(m zabbix.Maintenance) bool { return len(m.Groups) > 0 }) {
		return nil, refusal, err
	}
	groups, err = l.zabbix.GroupsOf(context.WithoutCancel(ctx), hosts)
	return groups, "", err
}

// through returns the group of a maintenance that covers one of these groups; "" for none.
func through(m zabbix.Maintenance, groups []string) string {
	for _, maintained := range m.Groups {
		if slices.ContainsFunc(groups, func(g string) bool { return zabbix.GroupCovers(maintained, g) }) {
			return maintained
		}
	}
	return ""
}

// startMaintenance starts a maintenance once: its mark shows whether an earlier call did.
func (e *Executor) startMaintenance(ctx context.Context, l *lane, b *batch, r round, running []zabbix.Maintenance, at voice) (time.Duration, error) {
	a, t := b.attempts[0], *b.req.Task
	if i := slices.IndexFunc(running, func(m zabbix.Maintenance) bool { return m.Mark == a.Message }); i >= 0 {
		return 0, e.endAttemptsAs(ctx, b, stageDone, maintenanceStarted(running[i].Mark, t.named(at.Lang), running[i].Until, b.req.Text, at))
	}
	if a.Stage == stageExecuting {
		if left := time.Until(a.StartedAt.Add(settleTime)); left > 0 && !a.Ended {
			return min(left, max(r.retry(), time.Second)), nil
		}
		if r.late {
			return 0, e.endAttempts(ctx, b, stageExpired, func(a attempt) string { return e.expired(b.job, a, b.req, r.until) })
		}
		return atOnce, e.change(ctx, b, store.CommandExecuting, func(a *attempt) { a.Stage = stagePending })
	}
	person := b.job.d.Input.Person
	m := zabbix.NewMaintenance{Mark: a.Message, Since: time.Now(), Until: b.req.Until, Words: maintenanceWords(person, b.req.Text)}
	var refusal string
	var err error
	if t.Group != "" {
		var g zabbix.HostGroup
		var ok bool
		switch g, ok, err = l.zabbix.FindHostGroup(context.WithoutCancel(ctx), t.Group); {
		case err != nil:
		case !ok:
			refusal = at.T("❔ Zabbix `%s` has no host group `%s`, or the relay's user may not read it. Nothing was done.", webex.EscapeCode(l.source), echo(t.Group))
		case g.Hosts == 0:
			refusal = at.T("❔ The host group `%s` has no host that the relay's user may read. Nothing was done.", echo(g.Name))
		case !b.req.Yes:
			question := at.T("❔ This will start a maintenance of all **%s** of the host group `%s` in Zabbix `%s` until %s.",
				at.N(g.Hosts, "%d host", "%d hosts"), webex.EscapeCode(text.Shorten(text.Line(g.Name), 100)), webex.EscapeCode(l.source), at.moment(b.req.Until, time.Now()))
			return 0, b.askFirst(ctx, e, confirmation{question: question, button: at.T("Yes, all of them")})
		}
		m.GroupIDs, m.Title = []string{g.ID}, g.Name
	} else {
		m.Hosts, refusal, err = findHosts(ctx, l, at.Lang, t)
		m.Title = strings.Join(t.Hosts, ", ")
	}
	switch {
	case err != nil:
		return e.cannotYet(ctx, l, b, err, r)
	case refusal != "":
		return 0, e.endAttemptsAs(ctx, b, stageRefused, refusal)
	}
	m.Title = withoutFourByte(text.Line(m.Title))
	if err := e.executing(ctx, b); err != nil {
		return 0, err
	}
	if err := l.zabbix.StartMaintenance(context.WithoutCancel(ctx), m); err != nil {
		return e.uncertainYet(ctx, l, b, err, r)
	}
	name := t.named(at.Lang)
	if t.Group == "" {
		name = hostList(at.Lang, m.Hosts)
	}
	return 0, e.endAttemptsAs(ctx, b, stageDone, maintenanceStarted(a.Message, name, b.req.Until, b.req.Text, at))
}

// stopMaintenance ends maintenances that the relay started.
func (e *Executor) stopMaintenance(ctx context.Context, l *lane, b *batch, r round, running []zabbix.Maintenance, at voice) (time.Duration, error) {
	t := *b.req.Task
	again := b.attempts[0].Stage == stageExecuting
	end, refusal := toStop(running, t, l.source, at)
	if refusal != "" && !again {
		groups, _, err := groupsOf(ctx, l, at, t, running) // a mark isn't a host
		if err != nil {
			return e.cannotYet(ctx, l, b, err, r)
		}
		refusal += throughGroups(running, groups, at)
	}
	switch {
	case refusal != "" && again, len(end) == 0 && again: // an earlier call did it
		return 0, e.endAttemptsAs(ctx, b, stageDone, maintenanceEnded(at, t.named(at.Lang)))
	case refusal != "":
		return 0, e.endAttemptsAs(ctx, b, stageRefused, refusal)
	}
	if err := e.executing(ctx, b); err != nil {
		return 0, err
	}
	var ended []string
	for _, m := range end {
		err := l.zabbix.EndMaintenance(context.WithoutCancel(ctx), m.ID)
		if err != nil && zabbix.KindOf(err) != zabbix.NoObject {
			return e.uncertainYet(ctx, l, b, err, r)
		}
		ended = append(ended, covers(at, m))
	}
	left, err := l.zabbix.Maintenances(context.WithoutCancel(ctx), time.Now())
	if err != nil {
		return e.cannotYet(ctx, l, b, err, r)
	}
	for _, m := range left { // Zabbix has the same words for what is gone and for what may not be changed
		if slices.ContainsFunc(end, func(o zabbix.Maintenance) bool { return o.ID == m.ID }) {
			return 0, e.endRefused(ctx, b, &zabbix.Error{Method: "maintenance.delete", Kind: zabbix.NoObject, Code: -32500})
		}
	}
	return 0, e.endAttemptsAs(ctx, b, stageDone, maintenanceEnded(at, strings.Join(ended, "; ")))
}

// toStop returns the maintenances that `stop` means: the one with this mark, or those of the relay that are of these hosts, or of this
// host group, and of nothing else. refusal is the reply if there is none.
func toStop(running []zabbix.Maintenance, t Task, source string, at voice) (end []zabbix.Maintenance, refusal string) {
	var wide, foreign []zabbix.Maintenance
	for _, m := range running {
		byMark := m.Mark != "" && len(t.Hosts) == 1 && strings.EqualFold(strings.TrimPrefix(t.Hosts[0], "#"), m.Mark)
		group := slices.ContainsFunc(m.Groups, t.meansGroup)
		host := slices.ContainsFunc(m.Hosts, t.means)
		switch {
		case byMark && !t.Technical:
			return []zabbix.Maintenance{m}, ""
		case !group && !host:
		case m.Mark == "":
			foreign = append(foreign, m)
		case group && len(m.Groups) == 1 && len(m.Hosts) == 0, host && len(m.Groups) == 0 && !slices.ContainsFunc(m.Hosts, func(h zabbix.Host) bool { return !t.means(h) }):
			end = append(end, m)
		default:
			wide = append(wide, m)
		}
	}
	switch {
	case len(wide) > 0:
		said := at.T("❔ That would end the maintenance of more than %s, so I did nothing. To end one for all of its hosts, give its mark:", t.named(at.Lang)) + "\n"
		for _, m := range wide {
			said += "\n- " + at.T("`maintenance stop %s`: %s, until %s", webex.EscapeCode(m.Mark), covers(at, m), at.moment(m.Until, time.Now()))
		}
		return nil, said
	case len(end) > 0:
		return end, ""
	}
	said := at.T("ℹ️ No maintenance that was started here is running for %s in Zabbix `%s`.", t.named(at.Lang), webex.EscapeCode(source))
	for _, m := range foreign {
		said += at.T(" “%s” was started in Zabbix and must be ended there (until %s).", webex.EscapeMarkdown(text.Shorten(text.Line(m.Name), 100)), at.moment(m.Until, time.Now()))
	}
	return nil, said
}

// means reports whether a host is one of those named.
func (t Task) means(h zabbix.Host) bool {
	return slices.ContainsFunc(t.Hosts, func(name string) bool {
		return strings.EqualFold(h.Host, name) || !t.Technical && strings.EqualFold(h.Name, name)
	})
}

// meansGroup reports whether a host group is the one named.
func (t Task) meansGroup(group string) bool {
	return t.Group != "" && strings.EqualFold(group, t.Group)
}

// throughGroups says which maintenances cover these groups, and with them hosts that weren't named; "" for none.
func throughGroups(running []zabbix.Maintenance, groups []string, at voice) string {
	var said strings.Builder
	for _, m := range running {
		group := through(m, groups)
		switch {
		case group == "":
		case m.Mark == "":
			said.WriteString("\n- " + at.T("It is in the maintenance of its group %s, which was started in Zabbix and must be ended there (until %s).", groupName(group), at.moment(m.Until, time.Now())))
		default:
			said.WriteString("\n- " + at.T("It is in the maintenance of its group %s until %s. To end that for all of the group: `maintenance stop %s`.", groupName(group), at.moment(m.Until, time.Now()), webex.EscapeCode(m.Mark)))
		}
	}
	if said.Len() == 0 {
		return ""
	}
	return "\n" + said.String()
}

// maintenanceWords is the description in Zabbix.
func maintenanceWords(p Person, words string) string {
	out := "Started from Webex by " + signature(p)
	if words = text.Block(words); words != "" {
		out += ": " + withoutFourByte(words)
	}
	return out
}

func maintenanceStarted(mark, hosts string, until time.Time, words string, at voice) string {
	out := at.T("✅ Started a maintenance of %s until %s", hosts, at.moment(until, time.Now()))
	if words != "" {
		out += ": " + at.Said(webex.EscapeMarkdown(text.Cut(text.Line(words), 500)))
	}
	return out + at.T(". Zabbix begins it within a minute. To end it: `maintenance stop %s`.", webex.EscapeCode(mark))
}

func maintenanceEnded(at voice, hosts string) string {
	return at.T("✅ Ended the maintenance of %s. Zabbix takes the hosts out of it within a minute.", hosts)
}

// maxMaintenances is how many maintenances a list shows.
const maxMaintenances = 30

// maintenanceList lists maintenances by their end: those of the hosts or the group that are named, or all. groups are those of the hosts.
func maintenanceList(source string, t Task, running []zabbix.Maintenance, groups []string, at voice) string {
	of := ""
	if len(t.Hosts) > 0 || t.Group != "" {
		of = at.T(" of %s", t.named(at.Lang))
		running = slices.DeleteFunc(slices.Clone(running), func(m zabbix.Maintenance) bool {
			return !slices.ContainsFunc(m.Hosts, t.means) && !slices.ContainsFunc(m.Groups, t.meansGroup) && through(m, groups) == ""
		})
	}
	if len(running) == 0 {
		return at.T("ℹ️ No maintenance%s is running in Zabbix `%s`.", of, webex.EscapeCode(source))
	}
	var out strings.Builder
	out.WriteString(at.T("🔧 Maintenances%s in Zabbix `%s`:", of, webex.EscapeCode(source)) + "\n")
	for i, m := range running {
		what := covers(at, m)
		if group := through(m, groups); group != "" && !slices.ContainsFunc(m.Hosts, t.means) {
			what = at.T("through its group %s", groupName(group))
		}
		if i == maxMaintenances {
			out.WriteString("\n- " + at.T("… and %d more", len(running)-i))
			break
		}
		words := webex.EscapeMarkdown(text.Shorten(text.Line(m.Words), 200))
		if m.Mark != "" {
			out.WriteString("\n- " + at.T("`%s` %s · until %s · %s", webex.EscapeCode(m.Mark), what, at.moment(m.Until, time.Now()), words))
			continue
		}
		out.WriteString("\n- " + at.T("“%s” (not started here) %s · until %s", webex.EscapeMarkdown(text.Shorten(text.Line(m.Name), 100)), what, at.moment(m.Until, time.Now())))
	}
	return out.String()
}

// covers returns what a maintenance is of.
func covers(at voice, m zabbix.Maintenance) string {
	var parts []string
	for _, g := range m.Groups[:min(len(m.Groups), maxHostsNamed)] {
		parts = append(parts, at.T("group %s", groupName(g)))
	}
	if len(m.Hosts) > 0 {
		parts = append(parts, hostList(at.Lang, m.Hosts))
	}
	return strings.Join(parts, ", ")
}

func groupName(g string) string { return "`" + webex.EscapeCode(text.Shorten(text.Line(g), 100)) + "`" }
