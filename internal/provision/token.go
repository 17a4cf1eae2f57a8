package provision

import (
	"strconv"
	"time"
)

// token is an API token as the API has it, which never shows its secret.
type token struct {
	ID          str `json:"tokenid"`
	Name        str `json:"name"`
	Description str `json:"description"`
	UserID      str `json:"userid"`
	Status      str `json:"status"`
	Expires     str `json:"expires_at"`
}

// secretProperty isn't a property of the API: it stands for the secret in the relay's file.
const secretProperty = "secret"

// expired reports whether a token has ended.
func (t token) expired(now time.Time) bool {
	at, err := strconv.ParseInt(string(t.Expires), 10, 64)
	return err == nil && at > 0 && at <= now.Unix()
}

// judge decides whether the file's token works, given the tokens in Zabbix with its value.
func (f *fileToken) judge(rows []token, now time.Time) {
	switch {
	case len(rows) == 0:
		f.missing = "unknown to Zabbix"
	case rows[0].Status != enabled:
		f.missing = "disabled"
	case rows[0].expired(now):
		f.missing = "expired"
	}
	if len(rows) > 0 {
		f.id, f.owner = string(rows[0].ID), string(rows[0].UserID)
	}
}

// wantedToken is our token, with its secret in the relay's file. There is none if another token in the file works.
func wantedToken(o Options, s *state, now time.Time) (object, bool) {
	found := s.found[slot{kind: tokens}]
	if s.file.missing == "" && (found == nil || s.file.id != found.id) {
		return object{}, false
	}
	t := token{Name: ownName, Status: enabled, Expires: "0"}
	fields := t.fields(o.TokenFile.Name(), "", now)
	t.Description = str(marked("The relay's access to this Zabbix.", fields))
	return object{kind: tokens, name: ownName, fields: t.fields(o.TokenFile.Name(), "", now), params: map[string]any{
		"name": t.Name, "userid": ref{users}, "description": t.Description, "status": t.Status, "expires_at": t.Expires}}, true
}

func (t token) object(file string, f fileToken, now time.Time) object {
	o := object{kind: tokens, name: string(t.Name), id: string(t.ID), fields: t.fields(file, f.missing, now)}
	o.marked, o.edited = readMark(string(t.Description), o.fields)
	return o
}

// fields are the token's, with the file that has its secret; missing says why the file has none that works.
func (t token) fields(file, missing string, now time.Time) []field {
	secret := "in " + file
	if missing != "" {
		secret += ": " + missing
	}
	expired := "no"
	if t.expired(now) {
		expired = "yes"
	}
	return []field{
		{property: "status", name: "status", value: word(string(t.Status), "enabled", "disabled"), routine: true},
		{property: "expires_at", name: "expired", value: expired, routine: true},
		{property: "description", name: "description", value: withoutChecksum(string(t.Description)), routine: true},
		{property: secretProperty, name: "secret", value: secret},
	}
}
