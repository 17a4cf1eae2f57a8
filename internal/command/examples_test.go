package command

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/lang"
)

// Verbs that share a reader of their words, or of a person, answer what isn't understood with an example of the verb that was typed.
func TestExamplesAreOfTheVerbThatWasTyped(t *testing.T) {
	reader := func(v verb) uintptr { return reflect.ValueOf(v.parse).Pointer() }
	shows := func(q *misunderstanding, other verb) bool {
		for _, l := range []lang.Lang{lang.English, lang.German} {
			if strings.Contains(q.said.In(l), "`"+string(other.name)+" ") {
				return true
			}
		}
		return false
	}
	misread := 0
	for _, v := range verbs {
		for _, words := range []string{"", " 4711", " 4711 x!y", " 471112 or so 2h", " x", " all", " 4711 yes", " INC-7 x", " page 2", " 4711 4712 2h 3h"} {
			_, q := Names{}.Parse(string(v.name) + words)
			if q == nil {
				continue
			}
			misread++
			for _, other := range verbs {
				if other.name != v.name && reader(other) == reader(v) {
					require.False(t, shows(q, other), "%s%s: %s", v.name, words, q)
				}
			}
		}
	}
	require.Greater(t, misread, 50)

	robot, one, other := Mention{"Robot", Person{ID: "P-bot"}}, Mention{"Bob", Person{ID: "1", Email: "b@example.com"}}, Mention{"Bob", Person{ID: "2", Email: "c@example.com"}}
	for v, example := range map[Verb]string{Assign: "`assign 4711 alice@example.com`", Handover: "`handover bob@example.com`", Role: "`role scribe alice@example.com`"} {
		for says, mentions := range map[string][]Mention{"I'm not sure who": {one, other}, "or it is a bot": {robot}, "I don't know": nil} {
			person := "xyz"
			if len(mentions) > 0 {
				person = mentions[0].Written
			}
			s := scope{Input: Input{Text: person, Mentions: mentions}}
			_, q := s.newOwner(Request{Verb: v, Person: strings.ToLower(person)})
			require.NotNil(t, q, "%s %s", v, person)
			require.Contains(t, q.Error(), says)
			require.Contains(t, q.Error(), example)
			require.Contains(t, q.said.In(lang.German), example)
		}
	}
}
