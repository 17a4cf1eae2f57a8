package zabbix

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/testdata"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var versions = []string{"6.0", "7.0"}

// fixtureCase is one case of a recording's manifest.
type fixtureCase struct {
	Case  string   `json:"case"`
	What  string   `json:"what"`
	Files []string `json:"files"`
}

func readFixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := testdata.Fixtures.ReadFile("fixtures/" + name)
	require.NoError(t, err)
	return b
}

func cases(t testing.TB, version string) []fixtureCase {
	t.Helper()
	var manifest struct{ Cases []fixtureCase }
	require.NoError(t, json.Unmarshal(readFixture(t, "zabbix-"+version+"/MANIFEST.json"), &manifest))
	require.NotEmpty(t, manifest.Cases)
	return manifest.Cases
}

// decode reads a recorded payload as if it was received half a second after Zabbix sent it.
func decode(t testing.TB, name string) alert.Event {
	t.Helper()
	body := readFixture(t, name)
	p, faults := Parse(body)
	require.Empty(t, faults, name)
	e, err := p.Event(DecodeOptions{Source: "main", ReceivedAt: recordedAt(t, body)})
	require.NoError(t, err, name)
	return e
}

// recordedAt returns when a payload was sent: all but those of the user "tokyo" have UTC times.
func recordedAt(t testing.TB, body []byte) time.Time {
	t.Helper()
	var m map[string]string
	require.NoError(t, json.Unmarshal(body, &m))
	at, ok := parseWall(m["DATE"], m["TIME"], time.UTC)
	require.True(t, ok)
	if m["ALERT.SENDTO"] == "tokyo" {
		at = at.Add(-9 * time.Hour)
	}
	return at.Add(500 * time.Millisecond)
}

func fold(events []alert.Event) map[string]alert.Problem {
	problems := make(map[string]alert.Problem)
	for _, e := range events {
		p, _ := alert.Apply(problems[e.Key.EventID], e)
		problems[e.Key.EventID] = p
	}
	return problems
}

// forPeople returns problems as golden files have them: without bookkeeping and without the order of arrival.
func forPeople(t testing.TB, problems map[string]alert.Problem) []byte {
	t.Helper()
	list := []alert.Problem{}
	for _, p := range problems {
		p.Merge, p.Revision, p.ChangedAt = alert.Merge{}, 0, time.Time{}
		p.Timeline = slices.Clone(p.Timeline)
		for i := range p.Timeline {
			p.Timeline[i].Seq = 0
		}
		slices.SortFunc(p.Timeline, func(a, b alert.Entry) int { return strings.Compare(a.Key, b.Key) })
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b alert.Problem) int { return strings.Compare(a.Key.EventID, b.Key.EventID) })
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	require.NoError(t, enc.Encode(list))
	return out.Bytes()
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", "golden", filepath.FromSlash(name))
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run the test with -update and review the change")
	require.Equal(t, string(want), string(got))
}

func TestRecordedCasesGiveTheirProblems(t *testing.T) {
	for _, v := range versions {
		for _, c := range cases(t, v) {
			if len(c.Files) == 0 || c.Case == "cut-at-64k" {
				continue
			}
			t.Run(v+"/"+c.Case, func(t *testing.T) {
				var events []alert.Event
				for _, f := range c.Files {
					events = append(events, decode(t, "zabbix-"+v+"/"+f))
				}
				inOrder := forPeople(t, fold(events))
				golden(t, v+"/"+c.Case+".json", inOrder)
				slices.Reverse(events)
				require.Equal(t, string(inOrder), string(forPeople(t, fold(events))), "in reverse order")
				require.Equal(t, string(inOrder), string(forPeople(t, fold(append(events, events...)))), "twice")
			})
		}
	}
}

func TestARecordingGivesTheSameProblemsInAnyOrderAndTwice(t *testing.T) {
	for _, v := range versions {
		var events []alert.Event
		require.NoError(t, fs.WalkDir(testdata.Fixtures, "fixtures/zabbix-"+v+"/events", func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && !strings.HasPrefix(path.Base(name), "cut-at-64k") {
				events = append(events, decode(t, strings.TrimPrefix(name, "fixtures/")))
			}
			return err
		}))
		require.Greater(t, len(events), 60)
		want := forPeople(t, fold(events))
		golden(t, v+"/all.json", want)
		slices.Reverse(events)
		require.Equal(t, string(want), string(forPeople(t, fold(events))))
		require.Equal(t, string(want), string(forPeople(t, fold(slices.Concat(events, events)))))
	}
}
