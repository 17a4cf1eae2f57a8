package webexid

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	uuid  = "52bcf5df-1f44-5574-b5a3-0696bd09baaa"
	other = "52bcf5df-1f44-5574-b5a3-0696bd09baab"
)

func rest(clear string) string { return base64.RawURLEncoding.EncodeToString([]byte(clear)) }

// All spellings of one id are the same, and nothing else is.
func TestSpellingsOfOneID(t *testing.T) {
	us := rest("ciscospark://us/ROOM/" + uuid)
	for name, spelling := range map[string]string{
		"REST":                    us,
		"REST, padded":            base64.URLEncoding.EncodeToString([]byte("ciscospark://us/ROOM/" + uuid)),
		"REST, other alphabet":    base64.StdEncoding.EncodeToString([]byte("ciscospark://us/ROOM/" + uuid)),
		"REST, another cluster":   rest("ciscospark://urn:TEAM:us-west-2_r/ROOM/" + uuid),
		"REST, a third cluster":   rest("ciscospark://urn:TEAM:eu-central-1_k/ROOM/" + uuid),
		"REST, upper case within": rest("ciscospark://us/ROOM/" + strings.ToUpper(uuid)),
		"in clear text":           "ciscospark://us/ROOM/" + uuid,
		"bare":                    uuid,
		"bare, upper case":        strings.ToUpper(uuid),
		"with spaces around":      " " + uuid + "\n",
		"link of the app":         "webexteams://im?space=" + uuid,
		"link, upper case":        "webexteams://im?space=" + strings.ToUpper(uuid),
		"link to a message":       "webexteams://im?space=" + uuid + "&message=" + other,
		"newer link":              "webex://im?space=" + uuid,
		"web app":                 "https://web.webex.com/spaces/" + uuid + "/chat",
		"older web app":           "https://teams.webex.com/spaces/" + uuid,
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, uuid, Key(spelling))
			for _, form := range []string{us, uuid, "webexteams://im?space=" + uuid} {
				require.True(t, Same(spelling, form))
				require.True(t, Same(form, spelling))
			}
			for _, not := range []string{
				"", other, rest("ciscospark://us/ROOM/" + other), rest("ciscospark://us/PEOPLE/" + uuid + "x"), uuid + "0", "noc",
			} {
				require.False(t, Same(spelling, not), not)
			}
			id, ok := Parse(spelling)
			require.True(t, ok)
			require.True(t, id.HasUUID())
			require.Equal(t, strings.HasPrefix(name, "REST"), id.IsREST)
			if id.Cluster == "" {
				require.Equal(t, us, id.REST(Room))
			}
		})
	}
}

// Ids of different kinds differ; a bare UUID may be of any kind.
func TestKinds(t *testing.T) {
	room, person := rest("ciscospark://us/ROOM/"+uuid), rest("ciscospark://us/PEOPLE/"+uuid)
	require.False(t, Same(room, person))
	require.True(t, Same(room, uuid))
	require.True(t, Same(person, uuid))
	require.False(t, Same(person, "webexteams://im?space="+uuid))
}

// Text that isn't an id is compared literally.
func TestOtherText(t *testing.T) {
	require.True(t, Same("ROOM-noc", "ROOM-noc"))
	require.False(t, Same("ROOM-noc", "room-noc"))
	require.False(t, Same("", ""))
	require.False(t, Same(" ", ""))
	for _, text := range []string{
		"", "noc", "ROOM", uuid[:35], uuid + uuid, "webexteams://im?space=noc", "https://example.com/x", "ciscospark://us/ROOM",
		rest("ciscospark://us/ROOM"), rest("https://example.com/ROOM/" + uuid), strings.ReplaceAll(uuid, "-", ""),
	} {
		_, ok := Parse(text)
		require.False(t, ok, text)
	}
}

// Any text is read without harm, and is the same as itself.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", uuid, rest("ciscospark://us/ROOM/" + uuid), "webexteams://im?space=" + uuid, "ciscospark:///", "://", "%zz"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, ok := Parse(text)
		if !ok {
			require.Zero(t, id)
			return
		}
		require.True(t, Same(text, text))
		again, ok := Parse(id.REST(Room))
		if ok && !strings.ContainsAny(id.UUID+id.Cluster, "/") {
			require.Equal(t, id.UUID, again.UUID)
		}
	})
}
