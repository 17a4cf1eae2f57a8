package render

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/lang/langtest"
	"nms-alert-relay/internal/text"
)

const page = "../../docs/templates.md"

var examplePattern = regexp.MustCompile("(?s)\n`([a-z]+\\.md\\.tmpl)`\n```gotemplate\n(.*?)```\n")

// docs/templates.md describes every file, field and function, and its examples load.
func TestTemplatesPageIsComplete(t *testing.T) {
	raw, err := os.ReadFile(page)
	require.NoError(t, err)
	text := string(raw)
	for name := range functions(lang.English) {
		require.Regexp(t, "`"+name+` [."0-9]`, text, "function %s", name)
	}
	for _, name := range fileNames {
		require.Contains(t, text, "`"+name+"`")
	}
	for _, kind := range TellKinds {
		require.Contains(t, text, "`"+kind+"`")
	}
	for _, of := range []reflect.Type{reflect.TypeFor[View](), reflect.TypeFor[Entry](), reflect.TypeFor[Tag](), reflect.TypeFor[Memory]()} {
		for i := range of.NumField() {
			if f := of.Field(i); f.IsExported() {
				require.Contains(t, text, "`."+f.Name+"`", "field of %s", of.Name())
			}
		}
	}
	examples := examplePattern.FindAllStringSubmatch(text, -1)
	require.GreaterOrEqual(t, len(examples), 4)
	for _, e := range examples {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, e[1]), []byte(e[2]), 0o600))
		_, err := New(Options{Dir: dir})
		require.NoError(t, err, e[2])
	}
}

// The example with texts by the room's language renders in both.
func TestTemplatesPageSpeaksLanguages(t *testing.T) {
	raw, err := os.ReadFile(page)
	require.NoError(t, err)
	rendered := map[lang.Lang]string{}
	for _, e := range examplePattern.FindAllStringSubmatch(string(raw), -1) {
		if !strings.Contains(e[2], ".Lang") {
			continue
		}
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, e[1]), []byte(e[2]), 0o600))
		r, err := New(Options{Dir: dir})
		require.NoError(t, err)
		for _, l := range lang.Languages {
			card, _ := r.Card(Samples()["open"], Room{Name: "noc", Lang: l, Location: time.UTC}, SamplesNow)
			rendered[l] = langtest.CardWords(card)
		}
	}
	require.Contains(t, rendered[lang.English], "open · since 24 Nov 13:18:00 UTC\nPlease note it in the shift log")
	require.Contains(t, rendered[lang.German], "offen · seit 24. Nov 13:18:00 UTC\nBitte im Schichtbuch vermerken")
}

// Texts are cut between characters, and to their limit.
func TestCut(t *testing.T) {
	require.Equal(t, "磁盘", text.Shorten("磁盘", 2))
	require.Equal(t, "磁…", text.Shorten("磁盘满", 2))
	require.Equal(t, "a…", text.Shorten("a  bcd", 4), "no space before the mark")
	require.Equal(t, "…", text.Shorten("abc", 1))
	require.Empty(t, limited("\u202e\x07 \u200b", 10), "nothing visible")
}
