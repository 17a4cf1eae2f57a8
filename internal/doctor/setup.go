package doctor

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/zabbix"
	mediatype "nms-alert-relay/zabbix"
)

// bySetup is what to do about most faults of what the relay needs in Zabbix.
const bySetup = "'alert-relay setup zabbix' corrects it"

// setupChecks checks what the relay needs in Zabbix, with the token of a Super admin: the one that was given, or the relay's own if it
// is one.
func setupChecks(ctx context.Context, l *list, s config.Source, client *zabbix.Client, token string, given bool, o Options, version string) {
	sees, err := seesAll(ctx, client, token)
	switch {
	case err != nil && given:
		l.failure("media type and action", "not checked: the Super admin's token: "+reason(err), "give a token that is valid for this source")
		return
	case !sees && given:
		l.warning("media type and action", "not checked: the token that was given isn't a Super admin's, and others can't see them", "give a Super admin's API token in --token-file")
		return
	case !sees:
		l.warning("media type and action", "not checked: the relay's own token can't see them (intended: least privilege)",
			"give a Super admin's API token in --token-file or ALERT_RELAY_SETUP_TOKEN, and with several sources --source")
		return
	}
	v, err := zabbix.ParseVersion(version)
	if err != nil {
		return // it was reported
	}
	found, err := readSetup(ctx, client, v, s.APIToken.Reveal(), o.Now())
	if err != nil {
		l.failure("media type and action", "not checked: "+shown(err.Error()), "")
		return
	}
	found.judge(l, s, o.Config.Server.PublicURL)
}

func (f *setup) judge(l *list, s config.Source, publicURL string) {
	if f.mediaType == nil {
		l.failure("media type", "Zabbix has none that sends to alert-relay: no problem arrives", "'alert-relay setup zabbix' makes it, or import what 'alert-relay mediatype' prints")
	} else {
		f.mediaType.judge(l, s, publicURL)
		f.judgeActions(l, s)
		f.judgeFailed(l)
	}
	if owner, known := f.users[f.owner]; known {
		f.judgeRights(l, owner)
		f.judgeGroups(l, owner)
	}
}

// macro is a value that Zabbix resolves, so that it can't be compared.
var macro = regexp.MustCompile(`^\{\$.*\}$`)

// judge judges the media type itself.
func (m *mediaTypeRow) judge(l *list, s config.Source, publicURL string) {
	if m.Status != enabled {
		l.failure("media type", shown(m.Name)+" is disabled: no problem arrives", "enable it in Alerts → Media types, or run 'alert-relay setup zabbix'")
	} else {
		l.ok("media type", shown(m.Name)+" is enabled")
	}
	values := map[string]string{}
	for _, p := range m.Parameters {
		values[p.Name] = p.Value
	}
	var missing []string
	script, parameters := shipped()
	for _, p := range parameters {
		if _, there := values[p]; !there {
			missing = append(missing, p)
		}
	}
	switch {
	case normalized(m.Script) != normalized(script):
		l.warning("media type version", "its script isn't the one of this program", "after an upgrade, import it again: "+bySetup)
	case len(missing) > 0:
		l.warning("media type version", "its parameters lack "+text.Some(missing, 5), bySetup)
	default:
		l.ok("media type version", "script and parameters are those of this program")
	}
	switch address := strings.TrimRight(values["URL"], "/"); {
	case address == "" || strings.HasPrefix(address, "<"):
		l.failure("media type URL", "it has no address of the relay", "set its parameter URL, or run 'alert-relay setup zabbix'")
	case macro.MatchString(address):
		l.ok("media type URL", "it is the macro "+shown(address)+", which isn't compared")
	case publicURL != "" && address != publicURL:
		l.warning("media type URL", fmt.Sprintf("it sends to %s, but server.public_url is %s", text.RedactURL(address), publicURL), "correct one of them, unless Zabbix reaches the relay by another address")
	default:
		l.ok("media type URL", "it sends to "+text.RedactURL(address))
	}
	switch secret := values["SECRET"]; {
	case macro.MatchString(secret):
		l.ok("media type secret", "it is the macro "+shown(secret)+", which isn't compared")
	case !slices.ContainsFunc(s.Secrets, func(known config.Secret) bool { return known.Reveal() == secret }):
		l.failure("media type secret", "it isn't the source's secret: the relay refuses what Zabbix sends", "set its parameter SECRET, or run 'alert-relay setup zabbix'")
	default:
		l.ok("media type secret", "it is the source's secret")
	}
}

// filledIn is the line of the script with the settings of an installation.
var filledIn = regexp.MustCompile(`(?m)^var FILLED_IN = .*;$`)

// normalized is a script without settings, and without what Zabbix changes in it.
func normalized(script string) string {
	return filledIn.ReplaceAllString(strings.TrimSpace(strings.ReplaceAll(script, "\r\n", "\n")), "")
}

// shipped returns script and parameters of this program's media type.
func shipped() (script string, parameters []string) {
	var file struct {
		Export struct {
			MediaTypes []struct {
				Script     string `yaml:"script"`
				Parameters []struct {
					Name string `yaml:"name"`
				} `yaml:"parameters"`
			} `yaml:"media_types"`
		} `yaml:"zabbix_export"`
	}
	if err := yaml.Unmarshal(mediatype.MediaType, &file); err != nil || len(file.Export.MediaTypes) != 1 {
		panic(fmt.Sprintf("doctor: the media type's file: %v", err)) // it is embedded and tested
	}
	m := file.Export.MediaTypes[0]
	for _, p := range m.Parameters {
		parameters = append(parameters, p.Name)
	}
	return m.Script, parameters
}

// media returns the severities of a user's enabled media of our media type.
func (f *setup) media(u userRow) (severities str, ok bool) {
	for _, m := range u.Medias {
		if m.Type == f.mediaType.ID && m.Active == enabled {
			return m.Severity, true
		}
	}
	return "", false
}

// recipients returns the users with an enabled media of ours who get the messages of operations, by id.
func (f *setup) recipients(operations []zabbix.Operation) map[str]userRow {
	found := map[str]userRow{}
	for _, o := range operations {
		if by := o.SendsBy(); by != string(f.mediaType.ID) && by != zabbix.AllMedia {
			continue
		}
		for id, u := range f.users {
			named := slices.ContainsFunc(o.Users, func(x struct {
				ID str `json:"userid"`
			}) bool {
				return x.ID == id
			})
			for _, g := range o.Groups {
				named = named || u.memberOf(g.ID)
			}
			if _, has := f.media(u); named && has {
				found[id] = u
			}
		}
	}
	return found
}

func (u userRow) memberOf(group str) bool {
	for _, g := range u.Groups {
		if g.ID == group {
			return true
		}
	}
	return false
}

// judgeActions judges the actions that send problems by our media type, and who gets them.
func (f *setup) judgeActions(l *list, s config.Source) {
	var ours, without []string // disabled, or with nobody who has a media
	users := map[str]userRow{}
	complete := false
	for _, a := range f.actions {
		uses := func(o zabbix.Operation) bool { return o.SendsBy() == string(f.mediaType.ID) }
		to := f.recipients(a.Operations)
		switch {
		case len(to) == 0 && !slices.ContainsFunc(slices.Concat(a.Operations, a.Recovery, a.Update), uses):
			continue // somebody else's
		case a.Status != enabled:
			ours = append(ours, a.Name)
			continue
		case len(to) == 0:
			without = append(without, a.Name)
			continue
		}
		complete = true
		f.judgeAction(l, a)
		for id, u := range to {
			users[id] = u
		}
	}
	switch {
	case complete:
	case len(without) > 0:
		l.failure("action", fmt.Sprintf("%s sends problems to nobody who has an enabled media of our media type", shown(text.Some(without, 3))), "give its user a media, and the action an operation: "+bySetup)
	case len(ours) > 0:
		l.failure("action", shown(text.Some(ours, 3))+" is disabled: no problem arrives", "enable it in Alerts → Actions → Trigger actions, or run 'alert-relay setup zabbix'")
	default:
		l.failure("action", "no trigger action sends by our media type: no problem arrives", "'alert-relay setup zabbix' makes one")
	}
	f.judgeUsers(l, s, users)
}

// judgeAction judges an enabled action: problems arrive; do recoveries and updates?
func (f *setup) judgeAction(l *list, a actionRow) {
	name := "action " + shown(a.Name)
	has := func(operations []zabbix.Operation) bool {
		return len(f.recipients(operations)) > 0 || slices.ContainsFunc(operations, zabbix.Operation.ToAllInvolved)
	}
	switch {
	case !has(a.Recovery):
		l.failure(name, "it has no recovery operation for our media type: problems stay open in the rooms until reconciliation finds their end", bySetup)
	case !has(a.Update):
		l.warning(name, "it has no update operation for our media type: what people do in Zabbix is seen late or never", bySetup)
	default:
		l.ok(name, "enabled, with problem, recovery and update operations")
	}
}

// allSeverities is a media for every severity.
const allSeverities = "63"

// judgeUsers judges the users that get the messages.
func (f *setup) judgeUsers(l *list, s config.Source, users map[str]userRow) {
	if len(users) == 0 {
		return
	}
	var names []string
	for _, id := range sortedIDs(users) {
		u := users[id]
		names = append(names, u.Username)
		zone := u.TimeZone
		if zone == "default" || zone == "" {
			zone = f.zone
		}
		name := "time zone of " + shown(u.Username)
		configured := ""
		if s.TimeZone.Location != nil {
			configured = s.TimeZone.String()
		}
		switch {
		case configured != "" && zone != "system" && zone != configured:
			l.warning(name, fmt.Sprintf("it is %s in Zabbix, but the source's time_zone is %s: times are off", shown(zone), configured), "correct one of them; UTC is best")
		case zone == "system" && configured == "":
			l.warning(name, "it is that of Zabbix's machine: times are off by one hour where clocks change", "give the user a time zone of its own, UTC at best: "+bySetup)
		default:
			l.ok(name, shown(zone))
		}
		if severities, _ := f.media(u); severities != allSeverities {
			l.warning("media of "+shown(u.Username), "it leaves out some severities", "let the relay's routes decide: "+bySetup)
		}
		if id != f.owner {
			f.judgeGroups(l, u)
		}
	}
	if len(users) > 1 {
		l.warning("recipients", fmt.Sprintf("%d users get each message (%s): Zabbix sends it once to each, and the relay drops the copies", len(users), shown(text.Some(names, 5))), "keep one service user")
	}
}

func sortedIDs(users map[str]userRow) []str {
	var ids []str
	for id := range users {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// judgeGroups judges which host groups a user sees.
func (f *setup) judgeGroups(l *list, u userRow) {
	name := "host groups of " + shown(u.Username)
	const denied, read, write = "0", "2", "3"
	may := map[str]str{}
	for _, g := range u.Groups {
		for id, permission := range f.rights[g.ID] {
			if has, given := may[id]; permission == denied || !given || has != denied && permission > has {
				may[id] = permission
			}
		}
	}
	var hidden []string
	writable := 0
	for id, group := range f.groups {
		switch {
		case u.Role.Type == superAdmin || may[id] == write:
			writable++
		case may[id] != read:
			hidden = append(hidden, group)
		}
	}
	slices.Sort(hidden)
	switch {
	case len(hidden) == len(f.groups) && len(hidden) > 0:
		l.failure(name, "the user sees none: no problem is reported, and nobody can act", "give its user group read access: alert-relay setup zabbix --host-group NAME")
	case len(hidden) > 0:
		l.warning(name, fmt.Sprintf("problems of hosts that are only in these aren't reported: %s", shown(text.Some(hidden, 10))), "if they should be: alert-relay setup zabbix --host-group NAME")
	default:
		l.ok(name, fmt.Sprintf("it sees all %d, and may close problems and change severities in %d", len(f.groups), writable))
	}
}

// judgeRights judges what the role of the relay's user permits.
func (f *setup) judgeRights(l *list, u userRow) {
	if forbidden := f.forbidden[u.Role.ID]; len(forbidden) > 0 && u.Role.Type != superAdmin {
		l.warning("role", fmt.Sprintf("%s forbids %s: nobody can do that from a room", shown(u.Role.Name), strings.Join(forbidden, ", ")), bySetup)
		return
	}
	l.ok("role", shown(u.Role.Name)+" permits what people can do from rooms")
}

// judgeFailed judges the alerts that Zabbix gave up on.
func (f *setup) judgeFailed(l *list) {
	if len(f.failed) == 0 {
		l.ok("failed alerts", "none in the last day")
		return
	}
	last := f.failed[len(f.failed)-1]
	l.warning("failed alerts", fmt.Sprintf("Zabbix gave up on %d in the last day; the last: %s", len(f.failed), shown(last.Error)), "Reports → Action log has them; reconciliation finds what they reported")
}
