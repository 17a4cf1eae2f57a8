package route

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Several names, however they are separated, give several rooms; unknown names are explained.
func TestSendToWithSeveralNames(t *testing.T) {
	r := router(t, `routes: [{match: {hosts: sw1}, rooms: [db]}]`)
	for sendTo, c := range map[string]struct{ only, unknown string }{
		"noc,Lab":                      {"noc Lab", ""},
		"noc, Lab":                     {"noc Lab", ""},
		" noc ;Lab; ":                  {"noc Lab", ""},
		"noc\r\nlab":                   {"noc Lab", ""},
		"#noc":                         {"noc", ""},
		"# noc, #LAB":                  {"noc Lab", ""},
		"noc, noc":                     {"noc", ""},
		"ID-NOC; ID-LAB":               {"noc Lab", ""},
		"alice@example.com,Lab":        {"person:alice@example.com Lab", ""},
		"a@example.com; b@example.com": {"person:a@example.com person:b@example.com", ""},
		"noc, typo":                    {"noc", "typo is neither"},
		"typo, #wrong":                 {"db", "typo is neither|\"#wrong\" is neither"},
		"typo-room":                    {"db", "typo-room is neither"},
		"eve@evil.org, noc":            {"noc", "eve@evil.org is an address outside"},
		",;,":                          {"db", ""},
		"Alice <alice@example.com>":    {"person:alice@example.com", ""},
		"<a@example.com>, \"Lab\"":     {"person:a@example.com Lab", ""},
		"mailto:a@example.com":         {"person:a@example.com", ""},
		"MAILTO:a@example.com; 'noc'":  {"person:a@example.com noc", ""},
		"noc，Lab":                      {"noc Lab", ""},
		"<noc>":                        {"noc", ""},
		"Eve <eve@evil.org>":           {"db", "eve@evil.org is an address outside"},
		"a@example.com <eve@evil.org>": {"db", "eve@evil.org is an address outside"},
		"Alice <alice@example.com":     {"db", "Alice <alice@example.com"},
		"noc <not an address>":         {"db", "is neither"},
		"mailto:":                      {"db", "mailto: is neither"},
		"\"\"":                         {"db", ""},
		"Night Shift, Lab":             {"Lab", "Night Shift is neither"},
	} {
		t.Run(sendTo, func(t *testing.T) {
			p := problem()
			p.Key.Source = "quiet"
			require.Equal(t, c.only, strings.Join(rooms(r.Rooms(p, sendTo, noon)), " "))
			p.SendTo = []string{sendTo}
			require.Equal(t, c.only, strings.Join(rooms(r.Rooms(p, "", noon)), " "), "the same if it is from an earlier message")
			unknown := r.Unknown("quiet", sendTo)
			if c.unknown == "" {
				require.Empty(t, unknown)
				return
			}
			want := strings.Split(c.unknown, "|")
			require.Len(t, unknown, len(want))
			for i, part := range want {
				require.Contains(t, unknown[i], part)
			}
		})
	}
	require.Empty(t, r.Unknown("deaf", "typo"), "send_to: ignore reads nothing")
}

// A room's name may contain a separator.
func TestSendToRoomNameWithSeparator(t *testing.T) {
	cfg := load(t, "")
	cfg.Rooms[0].Name = "NOC, Berlin"
	r, err := New(cfg)
	require.NoError(t, err)
	require.Equal(t, []string{"noc", "NOC, Berlin"}, rooms(r.Rooms(problem(), "noc, berlin", noon)))
}

// With send_to: only, the names of all messages of a problem count, whichever message came last.
func TestSendToOnlyCountsEveryMessage(t *testing.T) {
	r := router(t, `routes: [{match: {hosts: sw1}, rooms: [db]}]`)
	for name, c := range map[string]struct {
		known []string
		event string
		want  []string
	}{
		"no name yet":                 {nil, "", []string{"db"}},
		"the API's answer":            {[]string{"Lab"}, "", []string{"Lab"}},
		"another recipient":           {[]string{"Lab"}, "noc", []string{"Lab", "noc"}},
		"a recipient that is unknown": {[]string{"Lab"}, "typo", []string{"Lab"}},
		"none is known":               {[]string{"typo"}, "wrong", []string{"db"}},
		"two recipients":              {[]string{"Lab", "noc"}, "", []string{"Lab", "noc"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := problem()
			p.Key.Source, p.SendTo = "quiet", c.known
			require.Equal(t, c.want, rooms(r.Rooms(p, c.event, noon)))
		})
	}
}
