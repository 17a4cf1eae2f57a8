package incident

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/lang/langtest"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

var update = flag.Bool("update", false, "write the golden files")

// told is an incident in which everything happened once, after an hour.
func told() Facts {
	at := func(minutes int) time.Time { return t0.Add(time.Duration(minutes) * time.Minute) }
	return facts(func(f *Facts) {
		p, q := f.Known[k1], problem(k2, alert.StateResolved, "t2")
		did := func(minutes int, u alert.Update) {
			u.At, u.Actor = at(minutes), alert.Actor{Name: "Bob", Email: "bob@example.com"}
			p.Timeline = append(p.Timeline, alert.Entry{Kind: alert.EntryUpdate, At: u.At, Update: &u})
		}
		did(3, alert.Update{Actions: alert.Actions{Ack: true}, Message: "on it", Comment: "on it"})
		did(4, alert.Update{Actions: alert.Actions{Severity: &alert.SeverityChange{Old: alert.High, New: alert.Disaster}, Suppress: true, SuppressUntil: at(60 * 24 * 40)}})
		did(5, alert.Update{Actions: alert.Actions{Unsuppress: true, Unack: true, Close: true, ToSymptom: true, ToCause: true, Suppress: true}})
		did(6, alert.Update{Owner: &alert.Owner{Email: "bob@example.com"}})
		did(7, alert.Update{Owner: &alert.Owner{Email: "alice@example.com", Name: "Alice Archer"}})
		did(8, alert.Update{Owner: &alert.Owner{}})
		did(9, alert.Update{Message: "hm", Comment: "hm", Actions: alert.Actions{Comment: true}})
		did(10, alert.Update{})
		for _, kind := range []alert.EntryKind{alert.EntryEscalated, alert.EntryReminded, alert.EntryAsked, alert.EntryCancelled} {
			p.Timeline = append(p.Timeline, alert.Entry{Kind: kind, At: at(11)})
		}
		p.Owner = alert.Owner{Email: "alice@example.com", Name: "Alice Archer"}
		q.Timeline = append(q.Timeline, alert.Entry{Kind: alert.EntryResolved, At: q.ResolvedAt})
		f.Known[k1], f.Known[k2] = p, q
		f.Problems = append(f.Problems, store.IncidentProblem{Key: k2, Joined: t0}, store.IncidentProblem{Key: alert.Key{Source: "main", EventID: "4713"}, Parted: at(20)})
		entry := func(minutes int, kind store.IncidentKind, subject, words string, by, who store.Someone) {
			f.Entries = append(f.Entries, store.IncidentEntry{At: at(minutes), Kind: kind, Subject: subject, Text: words, By: by, Who: who})
		}
		entry(12, store.IncidentNote, "abcd1234", "the vendor comes", alice, store.Someone{})
		entry(13, store.IncidentRole, "lead", "", alice, alice)
		entry(14, store.IncidentRole, "lead", "", alice, bob)
		entry(15, store.IncidentRole, "scribe", "", bob, store.Someone{})
		entry(16, store.IncidentCheck, "Customers informed", "", bob, store.Someone{})
		entry(17, store.IncidentUncheck, "Customers informed", "", bob, store.Someone{})
		entry(18, store.IncidentCheck, "Customers informed", "", bob, store.Someone{})
		entry(19, store.IncidentJoin, "main/4713", "Link down", bob, store.Someone{})
		entry(20, store.IncidentPart, "main/4713", "Link down", bob, store.Someone{})
		entry(21, store.IncidentJoin, k2.String(), "Disk full", store.Someone{}, store.Someone{})
		f.Invite = append(f.Invite, bob)
		entry(22, store.IncidentInvited, bob.Email, "Webex: no", store.Someone{}, bob)
		f.Messages = map[alert.Key]string{k1: "https://web.webex.com/x"}
	})
}

const boundSpace = "space:KEY"

// crowded is an incident whose people are more than are invited. The last one who is couldn't be.
func crowded(more int) Facts {
	return facts(func(f *Facts) {
		f.Entries, f.Invite = nil, nil
		for n := range MaxInvited + more {
			p := store.Someone{Email: fmt.Sprintf("p%d@example.com", n+1)}
			AddInvited(&f.Incident, p)
			if n < MaxInvited {
				f.Entries = append(f.Entries, store.IncidentEntry{Kind: store.IncidentInvited, Subject: p.Email})
			}
		}
		f.Entries[MaxInvited-1].Text = "Webex: no"
	})
}

// Everything that an incident says, in both languages: the language is that of the room where it was opened.
func TestWhatIncidentsSay(t *testing.T) {
	golden := whatIsSaid(t, lang.English) + whatIsSaid(t, lang.German)
	const path = "testdata/said.golden"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(golden), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), golden)
}

// With each text of the catalogue marked, what is left are names, what people wrote, and times.
func TestIncidentsSayWhatTheCatalogueHas(t *testing.T) {
	data := "marked the vendor comes it hm Jan no personEmail example com INC high on informed Customers Lead Scribe Alice Archer Bob noc Link down Disk full web db Nov Dec UTC Webex NPT"
	for _, said := range strings.Split(whatIsSaid(t, lang.Marked), "\n== ") {
		name, said, _ := strings.Cut(said, "\n")
		if strings.Contains(name, "the card itself") {
			said = langtest.CardWords(json.RawMessage(said))
		}
		require.Empty(t, langtest.Outside(said, data), "%s:\n%s", name, said)
	}
}

// whatIsSaid is everything that an incident says in a language.
func whatIsSaid(t *testing.T, l lang.Lang) string {
	t.Helper()
	var golden strings.Builder
	{
		s, now := settings(), t0.Add(time.Hour)
		s.Leave = true
		in := render.Room{Lang: l, Location: time.FixedZone("NPT", 5*3600+45*60)}
		s.Room = func(room string) render.Room {
			require.Contains(t, []string{"noc", boundSpace}, room)
			return in
		}
		say := func(name, said string) { fmt.Fprintf(&golden, "== %s: %s\n%s\n\n", l, name, said) }
		messages := func(name string, f Facts) {
			for _, m := range Messages(f, s, now) {
				say(name+": "+m.Name, m.Text)
				if m.Card != nil {
					say(name+": the card itself", strings.ReplaceAll(string(m.Card), `},{"`, "},\n{\""))
				}
			}
		}
		f := told()
		messages("open", f)
		say("reminder", f.reminderMessage(s, now).Text)
		say("review", Review(f, s, now))
		say("shown", Show(f, s, in))

		f = facts(func(f *Facts) { f.EndedAt, f.Ended = t0.Add(50*time.Hour), bob })
		say("review of one that was ended", Review(f, s, now))
		say("the message of that review", f.reviewMessage(s, now).Text)
		f = facts(func(f *Facts) { f.Known[k1] = problem(k1, alert.StateResolved, "t1") })
		say("review of one that nobody cared for", Review(f, s, now))
		say("the message of that review", f.reviewMessage(s, now).Text)
		messages("resolved", f)
		f.Closed = now
		say("closed", f.originText(s))
		f = facts(func(f *Facts) { f.RoomID = "" })
		messages("opening", f)
		f.LastError = reasonOf(l, nil)
		messages("waiting", f)
		for _, m := range Messages(f, s, now) {
			f.Shown[m.Name] = m.digest()
		}
		f.Refused = Next(f, nil, true, s, now).Why
		messages("refused", f)
		f = told()
		f.Lost, f.LostWhy = now, "404"
		messages("lost", f)
		for _, n := range []int{1, maxNamed + 1, maxWanted - MaxInvited} {
			all := Messages(crowded(n), s, now)
			say(fmt.Sprint("invited, with so many too many: ", n), all[len(all)-1].Text)
		}
		f = facts(func(f *Facts) { f.Room = boundSpace })
		say("opened in a bound space: welcome", f.welcome(l))
		say("opened in a bound space: review", Review(f, s, now))
	}
	require.NotContains(t, golden.String(), "UTC", "all times are the room's")
	return golden.String()
}
