package zabbix

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// export is the part of a media type's file that every version from 6.0 to 8.0 accepts. date and content_type are errors on 7.0.
type export struct {
	Export struct {
		Version    string      `yaml:"version"`
		MediaTypes []mediaType `yaml:"media_types"`
	} `yaml:"zabbix_export"`
}

type mediaType struct {
	Name             string      `yaml:"name"`
	Type             string      `yaml:"type"`
	Parameters       []parameter `yaml:"parameters"`
	MaxSessions      string      `yaml:"max_sessions"`
	Attempts         string      `yaml:"attempts"`
	AttemptInterval  string      `yaml:"attempt_interval"`
	Script           string      `yaml:"script"`
	Timeout          string      `yaml:"timeout"`
	ProcessTags      string      `yaml:"process_tags"`
	ShowEventMenu    string      `yaml:"show_event_menu"`
	EventMenuURL     string      `yaml:"event_menu_url"`
	EventMenuName    string      `yaml:"event_menu_name"`
	Description      string      `yaml:"description"`
	MessageTemplates []template  `yaml:"message_templates"`
}

type parameter struct {
	Name  string `yaml:"name"`
	Value string `yaml:"value"`
}

type template struct {
	EventSource   string `yaml:"event_source"`
	OperationMode string `yaml:"operation_mode"`
	Subject       string `yaml:"subject"`
	Message       string `yaml:"message"`
}

func parse(t *testing.T, file []byte) mediaType {
	t.Helper()
	d := yaml.NewDecoder(bytes.NewReader(file))
	d.KnownFields(true)
	var e export
	require.NoError(t, d.Decode(&e), "a key that some version of Zabbix refuses")
	require.Equal(t, "6.0", e.Export.Version, "each version converts older files and refuses newer ones")
	require.Len(t, e.Export.MediaTypes, 1)
	return e.Export.MediaTypes[0]
}

// The settings that keep an alert alive are within Zabbix's limits and outlast a restart of the relay.
func TestMediaTypeSettings(t *testing.T) {
	m := parse(t, MediaType)
	require.Equal(t, Name, m.Name)
	require.Equal(t, "WEBHOOK", m.Type)

	attempts, err := strconv.Atoi(m.Attempts)
	require.NoError(t, err)
	require.LessOrEqual(t, attempts, 100, "Zabbix accepts no more")
	interval, err := strconv.Atoi(strings.TrimSuffix(m.AttemptInterval, "s"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, attempts*interval, 30*60, "seconds of downtime until an alert is lost")
	require.LessOrEqual(t, interval, 60, "seconds until an alert is retried")
	timeout, err := strconv.Atoi(strings.TrimSuffix(m.Timeout, "s"))
	require.NoError(t, err)
	require.True(t, timeout >= 1 && timeout <= 60, "Zabbix's range")
	sessions, err := strconv.Atoi(m.MaxSessions)
	require.NoError(t, err)
	require.True(t, sessions == 1 || sessions == 2, "a relay that hangs must not occupy all three alerters of Zabbix")

	require.Equal(t, "YES", m.ProcessTags)
	require.Equal(t, "YES", m.ShowEventMenu)
	require.Equal(t, "{EVENT.TAGS.relay_link}", m.EventMenuURL, "only this macro resolves there")
	require.NotEmpty(t, m.EventMenuName)
}

// Every macro that the relay needs is sent under its own name, and those needed after a cut come before long ones.
func TestMediaTypeParameters(t *testing.T) {
	m := parse(t, MediaType)
	place := map[string]int{}
	for i, p := range m.Parameters {
		require.NotContains(t, place, p.Name, "duplicate parameter")
		place[p.Name] = i
		if !slices.Contains([]string{"URL", "SECRET", "SOURCE", "HTTP_PROXY"}, p.Name) {
			require.Equal(t, "{"+p.Name+"}", p.Value, "a macro is sent under its own name")
		}
	}
	for _, name := range strings.Fields(`ALERT.SENDTO ALERT.SUBJECT ALERT.MESSAGE ACTION.ID
		EVENT.ID EVENT.NAME EVENT.VALUE EVENT.STATUS EVENT.SOURCE EVENT.OBJECT EVENT.NSEVERITY EVENT.OPDATA EVENT.DATE EVENT.TIME
		EVENT.TIMESTAMP EVENT.ACK.STATUS EVENT.TAGSJSON EVENT.CAUSE.ID EVENT.RECOVERY.ID EVENT.RECOVERY.DATE EVENT.RECOVERY.TIME
		EVENT.RECOVERY.TIMESTAMP EVENT.UPDATE.STATUS EVENT.UPDATE.ACTION EVENT.UPDATE.ACTIONJSON EVENT.UPDATE.DATE EVENT.UPDATE.TIME
		EVENT.UPDATE.TIMESTAMP EVENT.UPDATE.MESSAGE EVENT.UPDATE.NSEVERITY USER.FULLNAME
		HOST.ID HOST.NAME HOST.HOST HOST.IP HOST.ID2 HOST.NAME2 HOST.HOST2 HOST.ID3 HOST.NAME3 HOST.HOST3
		TRIGGER.ID TRIGGER.NAME TRIGGER.DESCRIPTION TRIGGER.URL TRIGGER.URL.NAME TRIGGER.HOSTGROUP.NAME ITEM.ID ITEM.NAME
		SERVICE.NAME SERVICE.ROOTCAUSE DISCOVERY.RULE.NAME DISCOVERY.DEVICE.IPADDRESS DISCOVERY.DEVICE.STATUS DISCOVERY.SERVICE.NAME
		DATE TIME TIMESTAMP`) {
		require.Contains(t, place, name)
	}
	for _, first := range strings.Fields("URL SECRET SOURCE HTTP_PROXY EVENT.ID EVENT.SOURCE EVENT.VALUE EVENT.UPDATE.STATUS EVENT.NSEVERITY ALERT.SENDTO") {
		for _, long := range strings.Fields("EVENT.NAME EVENT.OPDATA EVENT.TAGSJSON EVENT.UPDATE.MESSAGE TRIGGER.DESCRIPTION SERVICE.ROOTCAUSE ALERT.SUBJECT ALERT.MESSAGE") {
			require.Less(t, place[first], place[long], "%s would be cut off by a long %s", first, long)
		}
	}
}

// Macros of any length, macros that 8.0 lacks, and macros that differ between recipients are left out.
func TestMediaTypeForbiddenMacros(t *testing.T) {
	m := parse(t, MediaType)
	texts := []string{m.EventMenuURL, m.EventMenuName}
	for _, p := range m.Parameters {
		texts = append(texts, p.Value)
	}
	for _, tpl := range m.MessageTemplates {
		require.LessOrEqual(t, len(tpl.Subject)+len(tpl.Message), 80, "Zabbix stores the template with every alert")
		texts = append(texts, tpl.Subject, tpl.Message)
	}
	for pattern, why := range map[string]string{
		`^ITEM\.(LAST)?VALUE`: "long", `HISTORY`: "long", `^TRIGGER\.EXPRESSION`: "long", `^EVENT\.SYMPTOMS`: "long",
		`^(TRIGGER\.COMMENT|USER\.ALIAS|HOSTNAME|IPADDRESS|STATUS|TRIGGER\.KEY|ACK\..*|PROFILE\..*)\d?$`: "gone in 8.0",
		`^USER\.(NAME|SURNAME)`: "never resolves", `^TRIGGER\.N?SEVERITY`: "follows no change",
	} {
		macro := regexp.MustCompile(pattern)
		for _, text := range texts {
			for _, found := range regexp.MustCompile(`\{([A-Z0-9.]+)\}`).FindAllStringSubmatch(text, -1) {
				require.False(t, macro.MatchString(found[1]), "{%s} in %q: %s", found[1], text, why)
			}
		}
	}
}

// Every kind of event has a message template: an operation without one sends nothing.
func TestMediaTypeTemplates(t *testing.T) {
	modes := map[string][]string{
		"TRIGGERS": {"PROBLEM", "RECOVERY", "UPDATE"}, "SERVICE": {"PROBLEM", "RECOVERY", "UPDATE"},
		"INTERNAL": {"PROBLEM", "RECOVERY"}, "DISCOVERY": {"PROBLEM"}, "AUTOREGISTRATION": {"PROBLEM"},
	}
	got := map[string][]string{}
	for _, tpl := range parse(t, MediaType).MessageTemplates {
		got[tpl.EventSource] = append(got[tpl.EventSource], tpl.OperationMode)
		require.NotEmpty(t, tpl.Subject)
		require.NotEmpty(t, tpl.Message)
	}
	require.Equal(t, modes, got)
}

// Zabbix's interpreter supports ECMAScript 5.1; e2e runs the script in a real Zabbix. The secret is only passed to hmac.
func TestMediaTypeScript(t *testing.T) {
	script := parse(t, MediaType).Script
	require.Less(t, len(script), 65535, "the length that Zabbix keeps")
	require.NotContains(t, script, "\t")
	code := regexp.MustCompile(`(?m)^\s*//.*$`).ReplaceAllString(script, "")
	code = regexp.MustCompile(`'(?:[^'\\]|\\.)*'`).ReplaceAllString(code, "''")
	newer := regexp.MustCompile("=>|`|\\.\\.\\.|\\b(let|const|class|async|await|import|export|yield)\\b|\\.(includes|startsWith|endsWith|padStart|repeat|assign|entries|values|find)\\(")
	require.Empty(t, newer.FindAllString(code, -1), "newer than ES5")
	require.Contains(t, code, "hmac('', secret, now + '' + body)")
	require.Len(t, regexp.MustCompile(`\bsecret\b`).FindAllString(code, -1), 2, "declared, and passed to hmac")
}

// Settings of any content are filled in unchanged, and nothing else changes.
func TestFilled(t *testing.T) {
	s := Settings{URL: "https://relay.example.com", Secret: `it's: "a"  #{secret} \n`, Source: "main: 'one'", HTTPProxy: "http://proxy:3128"}
	want := parse(t, MediaType)
	for i, p := range want.Parameters {
		switch p.Name {
		case "URL":
			want.Parameters[i].Value = s.URL
		case "SECRET":
			want.Parameters[i].Value = s.Secret
		case "SOURCE":
			want.Parameters[i].Value = s.Source
		case "HTTP_PROXY":
			want.Parameters[i].Value = s.HTTPProxy
		}
	}
	got := parse(t, Filled(s))
	inScript := `var FILLED_IN = {"HTTP_PROXY":"http://proxy:3128","SECRET":"it's: \"a\"  #{secret} \\n","SOURCE":"main: 'one'","URL":"https://relay.example.com"};`
	require.Contains(t, got.Script, inScript+"\n")
	want.Script = strings.Replace(want.Script, "var FILLED_IN = {};", inScript, 1)
	require.Equal(t, want, got)
	require.Equal(t, string(MediaType), string(Filled(Settings{})))
}

// docs/zabbix.md says of each parameter what the relay does with it, and names no other.
func TestEachMacroIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/zabbix.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n## Macros\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	var documented, sent []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z0-9._]+)` \\| (.+) \\|$").FindAllStringSubmatch(section, -1) {
		documented = append(documented, row[1])
	}
	for _, p := range parse(t, MediaType).Parameters {
		sent = append(sent, p.Name)
	}
	require.Equal(t, sent, documented)
}

// docs/zabbix.md has the template's macros with their defaults.
func TestEachMacroOfTheTemplateIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/zabbix.md")
	require.NoError(t, err)
	mappings(templateFile(t), "", func(list string, m map[string]*yaml.Node) {
		if list == "macros" {
			value := "none"
			if v := m["value"]; v != nil {
				value = "`" + v.Value + "`"
			}
			row := "| `" + m["macro"].Value + "` | " + value + " | " + m["description"].Value + " |\n"
			require.True(t, strings.Contains(string(page), row), "docs/zabbix.md lacks the row %s", row)
		}
	})
}
