package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"nms-alert-relay/internal/zabbix"
	mediatype "nms-alert-relay/zabbix"
)

type str = zabbix.Text

// setup is what a Super admin sees of what the relay needs in Zabbix.
type setup struct {
	mediaType *mediaTypeRow // nil if there is none
	actions   []actionRow   // for triggers
	users     map[str]userRow
	owner     str // of the relay's API token; "" if it is unknown
	groups    map[str]string
	rights    map[str]map[str]str // by user group, then by host group
	forbidden map[str][]string    // by role: actions in Zabbix that the relay can carry out, and the role forbids
	zone      string              // Zabbix's default time zone
	failed    []alertRow          // alerts of our media type, the newest last
}

type mediaTypeRow struct {
	ID         str    `json:"mediatypeid"`
	Name       string `json:"name"`
	Status     str    `json:"status"`
	Script     string `json:"script"`
	Parameters []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"parameters"`
}

type actionRow struct {
	Name       string             `json:"name"`
	Status     str                `json:"status"`
	Operations []zabbix.Operation `json:"operations"`
	Recovery   []zabbix.Operation `json:"recovery_operations"`
	Update     []zabbix.Operation `json:"update_operations"`
}

type userRow struct {
	ID       str    `json:"userid"`
	Username string `json:"username"`
	TimeZone string `json:"timezone"`
	Medias   []struct {
		Type     str `json:"mediatypeid"`
		Active   str `json:"active"`
		Severity str `json:"severity"`
	} `json:"medias"`
	Groups []struct {
		ID str `json:"usrgrpid"`
	} `json:"usrgrps"`
	Role struct {
		ID   str    `json:"roleid"`
		Name string `json:"name"`
		Type str    `json:"type"`
	} `json:"role"`
}

type alertRow struct {
	Clock str    `json:"clock"`
	Error string `json:"error"`
}

// Zabbix's numbers.
const (
	enabled    = "0" // of a media type, an action and a media
	superAdmin = "3" // a role's type
)

// seesAll reports whether a token belongs to a Super admin. Others may see nothing of media types and actions, without an error
// (measured on 6.0 and 7.0).
func seesAll(ctx context.Context, client *zabbix.Client, token string) (bool, error) {
	var tokens []struct {
		UserID str `json:"userid"`
	}
	err := client.Call(ctx, "token.get", map[string]any{"output": []string{"userid"}, "token": token}, &tokens)
	if err != nil || len(tokens) == 0 {
		return false, unlessForbidden(err)
	}
	var users []userRow
	err = client.Call(ctx, "user.get", map[string]any{"output": []string{"userid"}, "userids": []str{tokens[0].UserID}, "selectRole": []string{"type"}}, &users)
	if err != nil || len(users) == 0 {
		return false, unlessForbidden(err)
	}
	return users[0].Role.Type == superAdmin, nil
}

// unlessForbidden drops the error of a method that the role forbids.
func unlessForbidden(err error) error {
	if zabbix.KindOf(err) == zabbix.RoleForbids {
		return nil
	}
	return err
}

// readSetup reads everything as a Super admin. own is the relay's API token, whose owner is looked for.
func readSetup(ctx context.Context, client *zabbix.Client, v zabbix.Version, own string, now time.Time) (*setup, error) {
	s := &setup{users: map[str]userRow{}, groups: map[str]string{}, rights: map[str]map[str]str{}, forbidden: map[str][]string{}}
	for _, read := range []func() error{
		func() error { return s.readMediaType(ctx, client) },
		func() error {
			return client.Call(ctx, "action.get", map[string]any{"output": []string{"actionid", "name", "status"}, "filter": map[string]any{"eventsource": "0"},
				"selectOperations": "extend", "selectRecoveryOperations": "extend", "selectUpdateOperations": "extend"}, &s.actions)
		},
		func() error { return s.readUsers(ctx, client, own) },
		func() error { return s.readGroups(ctx, client, v) },
		func() error { return s.readRoles(ctx, client, v) },
		func() error {
			var settings struct {
				Zone string `json:"default_timezone"`
			}
			err := client.Call(ctx, "settings.get", map[string]any{"output": []string{"default_timezone"}}, &settings)
			s.zone = settings.Zone
			return err
		},
		func() error {
			if s.mediaType == nil {
				return nil
			}
			const failed = "2"
			return client.Call(ctx, "alert.get", map[string]any{"output": []string{"alertid", "clock", "error"}, "mediatypeids": []str{s.mediaType.ID},
				"filter": map[string]any{"status": failed}, "time_from": now.Add(-24 * time.Hour).Unix(), "sortfield": "alertid", "limit": 10_000}, &s.failed)
		},
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// readMediaType finds our media type by its name, or by its script if it was renamed.
func (s *setup) readMediaType(ctx context.Context, client *zabbix.Client) error {
	const webhook = "4"
	var rows []mediaTypeRow
	err := client.Call(ctx, "mediatype.get", map[string]any{"output": []string{"mediatypeid", "name", "status", "script", "parameters"},
		"filter": map[string]any{"type": webhook}}, &rows)
	for _, r := range rows {
		if r.Name == mediatype.Name || s.mediaType == nil && strings.Contains(r.Script, zabbix.ScriptMark) {
			s.mediaType = &r
		}
	}
	return err
}

func (s *setup) readUsers(ctx context.Context, client *zabbix.Client, own string) error {
	var rows []userRow
	err := client.Call(ctx, "user.get", map[string]any{"output": []string{"userid", "username", "timezone"}, "selectMedias": []string{"mediatypeid", "active", "severity"},
		"selectUsrgrps": []string{"usrgrpid"}, "selectRole": []string{"roleid", "name", "type"}}, &rows)
	for _, r := range rows {
		s.users[r.ID] = r
	}
	if err != nil || own == "" {
		return err
	}
	var tokens []struct {
		UserID str `json:"userid"`
	}
	err = client.Call(ctx, "token.get", map[string]any{"output": []string{"userid"}, "token": own}, &tokens)
	if len(tokens) > 0 {
		s.owner = tokens[0].UserID
	}
	return err
}

func (s *setup) readGroups(ctx context.Context, client *zabbix.Client, v zabbix.Version) error {
	var groups []struct {
		ID   str    `json:"groupid"`
		Name string `json:"name"`
	}
	if err := client.Call(ctx, "hostgroup.get", map[string]any{"output": []string{"groupid", "name"}}, &groups); err != nil {
		return err
	}
	for _, g := range groups {
		if !strings.HasPrefix(g.Name, "Templates") { // up to 6.0 these are host groups too
			s.groups[g.ID] = g.Name
		}
	}
	var rows []map[string]json.RawMessage
	if err := client.Call(ctx, "usergroup.get", map[string]any{"output": []string{"usrgrpid"}, v.SelectGroupRights: "extend"}, &rows); err != nil {
		return err
	}
	for _, row := range rows {
		var id str
		var rights []struct{ ID, Permission str }
		if json.Unmarshal(row["usrgrpid"], &id) != nil || json.Unmarshal(row[v.GroupRights], &rights) != nil {
			return fmt.Errorf("zabbix: usergroup.get: unexpected form of the result")
		}
		s.rights[id] = map[str]str{}
		for _, r := range rights {
			s.rights[id][r.ID] = r.Permission
		}
	}
	return nil
}

func (s *setup) readRoles(ctx context.Context, client *zabbix.Client, v zabbix.Version) error {
	var rows []struct {
		ID    str `json:"roleid"`
		Rules struct {
			Actions []struct {
				Name   string `json:"name"`
				Status str    `json:"status"`
			} `json:"actions"`
		} `json:"rules"`
	}
	err := client.Call(ctx, "role.get", map[string]any{"output": []string{"roleid"}, "selectRules": "extend"}, &rows)
	for _, r := range rows {
		status := map[string]str{}
		for _, a := range r.Rules.Actions {
			status[a.Name] = a.Status
		}
		for _, p := range v.ActionPermissions() {
			if status[p] == "0" {
				s.forbidden[r.ID] = append(s.forbidden[r.ID], p)
			}
		}
	}
	return err
}
