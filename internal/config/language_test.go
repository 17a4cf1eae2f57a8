package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/lang"
)

func TestLanguageOfARoom(t *testing.T) {
	cfg := valid(t, small)
	require.Equal(t, lang.English, cfg.Language)
	require.Equal(t, lang.English, cfg.LanguageOf("db"))
	german := strings.Replace(small, "{name: db,", "{name: db, language: de,", 1)
	cfg = valid(t, german)
	require.Equal(t, lang.German, cfg.LanguageOf("db"))
	require.Equal(t, lang.English, cfg.LanguageOf(""), "a direct chat")
	cfg = valid(t, strings.Replace(small, "{name: db,", "{name: db, language: en,", 1)+"language: de\n")
	require.Equal(t, lang.English, cfg.LanguageOf("db"))
	require.Equal(t, lang.German, cfg.LanguageOf(""))
	_, err := Parse("relay.yaml", []byte(strings.Replace(german, "language: de", "language: fr", 1)), Options{})
	require.ErrorContains(t, err, `language: unknown value "fr"`)
}
