package lang_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/lang"
)

// A phrase and what is in it are written in the language of each reader; logs and JSON have it in English.
func TestPhrases(t *testing.T) {
	at := time.Date(2026, 12, 1, 9, 30, 0, 0, time.UTC)
	for want, p := range map[[2]string]lang.Phrase{
		{"", ""}: {},
		{"source is a, not b, c or d", "Quelle ist a, nicht b, c oder d"}:     lang.Key("source is %s, not %s").With("a", lang.Either{"b", "c", "d"}),
		{"it is Tue 09:30 UTC: in x", "es ist Di 09:30 UTC: innerhalb von x"}: lang.Say("it is %s: in %s", lang.Moment{At: at, Layout: "Mon 15:04 MST"}, "x"),
		{"no host matches x: hosts are a, b and 1,000 more", "kein Host passt zu x: Hosts sind a, b und 1.000 weitere"}: lang.Say("no host matches %s: hosts are %s", "x",
			lang.Few{Words: append([]string{"a", "b"}, make([]string, 1000)...), Max: 2}),
		{"no route matched; its name matches %s", "keine Route passte; sein Name passt zu %s"}: lang.Join([]lang.Phrase{lang.Say("no route matched"), lang.Say("its name matches %s", "%s")}, "; "),
		{"event 1,234: it has no start", "Eintrag 1.234: er hat keinen Beginn"}:                lang.Say("event %d: %s", 1234, lang.Errorf("it has no start")),
	} {
		require.Equal(t, want, [2]string{p.String(), p.In(lang.German)})
		require.Equal(t, want[0], fmt.Sprint(p))
		require.Equal(t, want[0] == "", p.IsZero())
		raw, err := json.Marshal(p)
		require.NoError(t, err)
		var text string
		require.NoError(t, json.Unmarshal(raw, &text))
		require.Equal(t, want[0], text)
	}
	first := lang.Join([]lang.Phrase{lang.Data("a"), lang.Data("b")}, ", ") // three parts: append has room for a fourth
	one := first.And(lang.Data(" at x"))
	_ = first.And(lang.Data(" at y"))
	require.Equal(t, "a, b at x", one.String(), "a phrase that others continue doesn't change")
}

// An error of the catalogue is told in the language, whatever wraps it; any other one as it is.
func TestErrorsInALanguage(t *testing.T) {
	err := lang.Errorf("its server answered %d", 503)
	require.EqualError(t, err, "its server answered 503")
	require.Equal(t, "sein Server antwortete 503", lang.German.Error(fmt.Errorf("reading: %w", err)))
	require.Equal(t, "connection refused", lang.German.Error(errors.New("connection refused")))
	require.ErrorIs(t, fmt.Errorf("reading: %w", err), err)
}
