package provision

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func fieldOf(name, value string) field { return field{property: "p" + name, name: name, value: value} }

// The plan for one object depends on what is found under its name.
func TestCompare(t *testing.T) {
	want := object{kind: roles, name: "r", fields: []field{fieldOf("a", "1"), fieldOf("b", "2"), {property: "pc", name: "c", value: "hidden", secret: true}}}
	found := func(marked bool, fields ...field) *object {
		return &object{kind: roles, name: "r", id: "7", marked: marked, fields: fields}
	}
	for name, c := range map[string]struct {
		found      *object
		adopt      bool
		action     Action
		changes    []Change
		properties []string
	}{
		"nothing there":               {nil, false, Create, []Change{{Field: "a", To: "1", new: true}, {Field: "b", To: "2", new: true}, {Field: "c", Secret: true, new: true}}, []string{"pa", "pb", "pc"}},
		"as wanted, in another order": {found(true, want.fields[2], want.fields[1], want.fields[0]), false, Keep, nil, nil},
		"one differs":                 {found(true, fieldOf("a", "0"), want.fields[1], want.fields[2]), false, Update, []Change{{Field: "a", From: "0", To: "1"}}, []string{"pa"}},
		"one too many":                {found(true, append(want.fields, fieldOf("d", "4"))...), false, Update, []Change{{Field: "d", From: "4"}}, []string{"pd"}},
		"a secret differs": {found(true, want.fields[0], want.fields[1], field{property: "pc", name: "c", value: "old", secret: true}), false, Update,
			[]Change{{Field: "c", Secret: true}}, []string{"pc"}},
		"somebody else's":         {found(false, want.fields[0], want.fields[1]), false, Refuse, []Change{{Field: "c", Secret: true, new: true}}, []string{"pc"}},
		"somebody else's, taken":  {found(false, want.fields[0], want.fields[1]), true, Update, []Change{{Field: "c", Secret: true, new: true}}, []string{"pc"}},
		"somebody else's, marked": {found(true, want.fields...), true, Keep, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := compare(want, c.found, c.adopt)
			require.Equal(t, c.action, s.Action)
			require.Equal(t, c.changes, s.Changes)
			require.Equal(t, c.properties, s.properties)
			if c.found != nil {
				require.Equal(t, "7", s.id)
			}
		})
	}
}

// A mark is found at the end of a description, whatever else is in it, and says whether the object is as it was written.
func TestMark(t *testing.T) {
	fields := []field{fieldOf("a", "1"), {property: "s", name: "secret", value: "x", secret: true}}
	description := marked("What it is.\n", fields)
	require.Regexp(t, `^What it is\.\n\nmanaged by alert-relay [0-9a-f]{8}$`, description)
	ours, edited := readMark(description, []field{fields[1], fields[0]})
	require.True(t, ours)
	require.False(t, edited)
	ours, edited = readMark(description+"\r\n", []field{fieldOf("a", "2"), fields[1]})
	require.True(t, ours)
	require.True(t, edited)
	_, edited = readMark(description, []field{fields[0], {property: "s", name: "secret", value: "y", secret: true}})
	require.False(t, edited, "a mark tells nothing about a secret")
	for _, text := range []string{"", "managed by alert-relay", "managed by alert-relay 1234567", description + " and me"} {
		ours, _ = readMark(text, fields)
		require.False(t, ours, text)
	}
}

// Permissions on host groups: those of the flags, else those there are, else read on all.
func TestPermissions(t *testing.T) {
	s := &state{hostGroups: map[string]string{"1": "Linux", "2": "Network", "3": "Web"}}
	existing := &state{hostGroups: s.hostGroups, granted: map[string]string{"3": "0"}}
	for name, c := range map[string]struct {
		state *state
		o     Options
		want  map[string]string
	}{
		"new, no flags":           {s, Options{}, map[string]string{"1": "2", "2": "2", "3": "2"}},
		"existing, no flags":      {existing, Options{}, map[string]string{"3": "0"}},
		"read one":                {existing, Options{ReadGroups: []string{"Linux"}}, map[string]string{"1": "2"}},
		"write one, read all":     {existing, Options{WriteGroups: []string{"Web"}}, map[string]string{"1": "2", "2": "2", "3": "3"}},
		"read one, write another": {s, Options{ReadGroups: []string{"Linux"}, WriteGroups: []string{"Web"}}, map[string]string{"1": "2", "3": "3"}},
		"write all":               {s, Options{ReadGroups: []string{"Linux"}, WriteGroups: []string{"*"}}, map[string]string{"1": "3", "2": "3", "3": "3"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.o.permissions(c.state)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

// A token that has ended is replaced, and no longer ends.
func TestExpiredToken(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	row := token{ID: "5", UserID: "3", Name: ownName, Status: enabled, Expires: "1799999999"}
	s := &state{found: map[slot]*object{}}
	s.file.judge([]token{row}, now)
	require.Equal(t, "expired", s.file.missing)
	found := row.object("zabbix-token", s.file, now)
	s.found[slot{kind: tokens}] = &found
	o := Options{TokenFile: OnDisk{Path: "zabbix-token"}}
	want, ok := wantedToken(o, s, now)
	require.True(t, ok)
	_, properties := differences(want.fields, found.fields)
	require.Contains(t, properties, "expires_at")
	require.Contains(t, properties, secretProperty)

	row.Expires = "1800000001"
	s.file = fileToken{}
	s.file.judge([]token{row}, now)
	require.Empty(t, s.file.missing, "an end in the future is the administrator's")
}

// A password has every kind of character that Zabbix can require, and differs each time.
func TestPassword(t *testing.T) {
	p := newPassword()
	require.NotEqual(t, p, newPassword())
	require.Len(t, p, 36)
	for _, kind := range []string{"[a-z]", "[A-Z]", "[0-9]", "[^A-Za-z0-9]"} {
		require.Regexp(t, kind, p)
	}
}
