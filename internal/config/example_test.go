package config

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	examplePath = "../../config.example.yaml"
	docsPath    = "../../docs/configuration.md"
)

func readText(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(data)
}

// The example is valid as it is, and with every optional line enabled.
func TestExampleIsValid(t *testing.T) {
	text := readText(t, examplePath)
	optional := regexp.MustCompile(`(?m)^(\s*)#([a-z_]+:)`)
	for name, data := range map[string]string{"as it stands": text, "with everything": optional.ReplaceAllString(text, "$1$2")} {
		t.Run(name, func(t *testing.T) {
			cfg, err := Parse(examplePath, []byte(data), Options{Elsewhere: true})
			require.NoError(t, err)
			require.Len(t, cfg.Rooms, 3)
			for _, w := range cfg.Warnings {
				require.Regexp(t, `cannot read .*no such file|is not set|has no effect`, w.What, "%s", w)
			}
		})
	}
}

// The values in the example are the defaults.
func TestExampleShowsTheDefaults(t *testing.T) {
	cfg, err := Parse(examplePath, []byte(readText(t, examplePath)), Options{Elsewhere: true})
	require.NoError(t, err)
	want := defaults()
	require.Equal(t, want.Storm, cfg.Storm)
	require.Equal(t, want.Flapping, cfg.Flapping)
	require.Equal(t, want.Command, cfg.Command)
	require.Equal(t, want.Reconcile, cfg.Reconcile)
	require.Equal(t, want.Retention, cfg.Retention)
	require.Equal(t, want.Delivery, cfg.Delivery)
	require.Equal(t, want.Log, cfg.Log)
	require.Equal(t, want.Webex.APIURL, cfg.Webex.APIURL)
	require.Equal(t, want.Webex.U2CURL, cfg.Webex.U2CURL)
	require.Equal(t, want.Webex.HTTP, cfg.Webex.HTTP)
	require.Equal(t, want.Server.Listen, cfg.Server.Listen)
	require.Equal(t, want.Server.AdminListen, cfg.Server.AdminListen)
	require.Equal(t, want.TimeZone.String(), cfg.TimeZone.String())
}

// Every key is in the example and in the documentation.
func TestEveryKeyIsDocumented(t *testing.T) {
	example, docs := readText(t, examplePath), readText(t, docsPath)
	keys := allKeys(reflect.TypeFor[Config](), "")
	require.Greater(t, len(keys), 60)
	for _, key := range keys {
		name := last(key)
		require.Regexp(t, `(?m)(^|[\s#{,-])`+name+`:`, example, "the example lacks %s", key)
		require.Contains(t, docs, "`"+key+"`", "docs/configuration.md lacks %s", key)
	}
}

// Every documented key exists.
func TestDocumentedKeysExist(t *testing.T) {
	known := map[string]bool{}
	for _, key := range allKeys(reflect.TypeFor[Config](), "") {
		known[key] = true
	}
	described := 0
	for _, line := range strings.Split(readText(t, docsPath), "\n") {
		cell, _, row := strings.Cut(strings.TrimPrefix(line, "| "), " |")
		if !row || !strings.HasPrefix(line, "| ") {
			continue
		}
		for _, m := range regexp.MustCompile("`([a-z0-9_.\\[\\]]+)`").FindAllStringSubmatch(cell, -1) {
			described++
			require.True(t, known[m[1]], "docs/configuration.md describes %s", m[1])
		}
	}
	require.Equal(t, len(known), described)
}

// allKeys returns the paths of all keys, with lists as "rooms[].name".
func allKeys(t reflect.Type, path string) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	isScalar := func(t reflect.Type) bool {
		_, ok := scalars[t]
		return ok || t == severitiesType
	}
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && t != secretsType && !isScalar(t.Elem()) {
		return allKeys(t.Elem(), path+"[]")
	}
	if t.Kind() != reflect.Struct || !strings.Contains(t.PkgPath(), "internal/config") || isScalar(t) {
		return []string{path}
	}
	var keys []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case option == "inline":
			keys = append(keys, allKeys(f.Type, path)...)
		case name == "-" || !f.IsExported():
		case f.Type == secretType || f.Type == secretsType:
			keys = append(keys, join(path, name+"_file"), join(path, name+"_env"))
		default:
			if name == "" {
				panic(fmt.Sprintf("%s.%s has no yaml key", t, f.Name))
			}
			keys = append(keys, allKeys(f.Type, join(path, name))...)
		}
	}
	return keys
}
