package zabbix

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/dop251/goja"
	"github.com/stretchr/testify/require"
)

// maxText is the limit of all parameters together that Zabbix passes to the script, in characters.
const maxText = 65535

// call is one run of the script, with its requests.
type call struct {
	settings Settings // that the file was filled in with
	status   int      // of the relay's answer; 0 for none
	answer   string

	url, body, proxy string
	headers          map[string]string
}

// run runs the script as Zabbix does, with the cut text of all parameters.
func (c *call) run(t *testing.T, text string) (result string, thrown string) {
	t.Helper()
	if runes := []rune(text); len(runes) > maxText {
		text = string(runes[:maxText])
	}
	vm := goja.New()
	c.headers = map[string]string{}
	object := func(methods map[string]any) *goja.Object {
		o := vm.NewObject()
		for name, f := range methods {
			require.NoError(t, o.Set(name, f))
		}
		return o
	}
	require.NoError(t, vm.Set("Zabbix", object(map[string]any{"log": func(int, string) {}})))
	require.NoError(t, vm.Set("hmac", func(kind, key, text string) string {
		require.Equal(t, "sha256", kind)
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(text))
		return hex.EncodeToString(mac.Sum(nil))
	}))
	require.NoError(t, vm.Set("HttpRequest", func(goja.ConstructorCall) *goja.Object {
		return object(map[string]any{
			"addHeader": func(line string) {
				name, value, _ := strings.Cut(line, ": ")
				c.headers[name] = value
			},
			"setProxy":  func(proxy string) { c.proxy = proxy },
			"getStatus": func() int { return c.status },
			"post": func(url, body string) string {
				if c.status == 0 {
					panic(vm.ToValue(cmp.Or(c.answer, "Couldn't connect to server")))
				}
				c.url, c.body = url, body
				return c.answer
			},
		})
	}))
	function, err := vm.RunString("(function (value) {" + parse(t, Filled(c.settings)).Script + "\n})")
	require.NoError(t, err)
	callable, ok := goja.AssertFunction(function)
	require.True(t, ok)
	value, err := callable(goja.Undefined(), vm.ToValue(text))
	if err != nil {
		return "", err.Error()
	}
	return value.String(), ""
}

// signedWith reports whether the request is signed with a secret.
func (c *call) signedWith(secret string) bool {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(c.headers["X-Relay-Timestamp"] + "." + c.body))
	return c.headers["X-Relay-Signature"] == "sha256="+hex.EncodeToString(mac.Sum(nil))
}

// parameters is the text of all parameters in the order of their rows: on PostgreSQL, those that were changed after the import
// come last.
func parameters(t *testing.T, s Settings, changed []parameter, macros map[string]string) string {
	t.Helper()
	list := parse(t, Filled(s)).Parameters
	for _, p := range changed {
		for i := range list {
			if list[i].Name == p.Name {
				list = append(append(list[:i:i], list[i+1:]...), p)
				break
			}
		}
	}
	parts := make([]string, 0, len(list))
	for _, p := range list {
		value := p.Value
		if v, ok := macros[p.Name]; ok {
			value = v
		}
		name, err := json.Marshal(p.Name)
		require.NoError(t, err)
		var text strings.Builder
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		require.NoError(t, e.Encode(value))
		parts = append(parts, string(name)+":"+strings.TrimSpace(text.String()))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

const (
	accepted = `{"problem":"main/4711","tags":{"relay_link":"https://relay.example.com/m/main/4711/x"}}`
	good     = "0123456789abcdef-secret"
)

var event = map[string]string{"EVENT.ID": "4711", "EVENT.VALUE": "1", "EVENT.SOURCE": "0", "EVENT.NAME": "Link down"}

func with(macros map[string]string, name, value string) map[string]string {
	out := map[string]string{name: value}
	for k, v := range macros {
		if k != name {
			out[k] = v
		}
	}
	return out
}

// Alerts arrive with values of any length and settings anywhere: settings that are cut off come from the script.
func TestSettingsAreReadAfterLongValues(t *testing.T) {
	old := Settings{URL: "https://old.example.com", Secret: "0123456789abcdef-old"}
	now := Settings{URL: "https://relay.example.com", Secret: good}
	long := strings.Repeat("x", 70000)
	for name, c := range map[string]struct {
		file    Settings    // that was imported last
		changed []parameter // since the first import: they stand behind all others
		macros  map[string]string
		secret  string
		salvage bool
	}{
		"nothing long":             {now, nil, event, good, false},
		"first import, long value": {now, nil, with(event, "EVENT.OPDATA", long), good, true},
		"URL by a second import":   {now, []parameter{{"URL", now.URL}}, with(event, "EVENT.OPDATA", long), good, true},
		"both by a second import":  {now, []parameter{{"URL", now.URL}, {"SECRET", now.Secret}}, with(event, "EVENT.OPDATA", long), good, true},
		"both, long description":   {now, []parameter{{"SECRET", now.Secret}, {"URL", now.URL}}, with(event, "TRIGGER.DESCRIPTION", long), good, true},
		"both, long tags":          {now, []parameter{{"URL", now.URL}, {"SECRET", now.Secret}}, with(event, "EVENT.TAGSJSON", strings.Repeat(`{"tag":"a","value":"b"},`, 4000)), good, true},
		"both, many quotes":        {now, []parameter{{"URL", now.URL}, {"SECRET", now.Secret}}, with(event, "EVENT.OPDATA", strings.Repeat(`","`, 30000)), good, true},
		"both, not ASCII":          {now, []parameter{{"URL", now.URL}, {"SECRET", now.Secret}}, with(event, "ALERT.MESSAGE", strings.Repeat("ü", 70000)), good, true},
		"both, a long event name":  {now, []parameter{{"URL", now.URL}, {"SECRET", now.Secret}}, with(event, "EVENT.NAME", long), good, true},
		"by hand, short values":    {old, []parameter{{"URL", now.URL}, {"SECRET", now.Secret}}, event, good, false},
		"SECRET alone, by import":  {now, []parameter{{"SECRET", now.Secret}}, with(event, "EVENT.OPDATA", long), good, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := &call{settings: c.file, status: 202, answer: accepted}
			result, thrown := r.run(t, parameters(t, c.file, c.changed, c.macros))
			require.Empty(t, thrown)
			require.Equal(t, accepted, result)
			require.Equal(t, "https://relay.example.com/v1/zabbix/events", r.url)
			require.True(t, r.signedWith(c.secret))
			var sent map[string]string
			require.NoError(t, json.Unmarshal([]byte(r.body), &sent))
			require.Equal(t, "4711", sent["EVENT.ID"])
			require.Equal(t, "1", sent["EVENT.VALUE"])
			require.Equal(t, c.salvage, sent["SALVAGED"] == "1")
			require.NotContains(t, r.body, good)
			for _, kept := range []string{"URL", "SECRET", "HTTP_PROXY"} {
				require.NotContains(t, sent, kept)
			}
		})
	}
}

// A file without settings has no fallback: the fault names a remedy, and the remedy works.
func TestRemedyForCutSettings(t *testing.T) {
	changed := []parameter{{"URL", "https://relay.example.com"}, {"SECRET", good}}
	text := parameters(t, Settings{}, changed, with(event, "EVENT.OPDATA", strings.Repeat("x", 70000)))
	r := &call{status: 202, answer: accepted}
	_, thrown := r.run(t, text)
	require.Contains(t, thrown, "URL was cut off")
	require.Contains(t, thrown, `alert-relay mediatype --url URL --secret-file FILE`)
	require.Contains(t, thrown, `"Update existing" ticked`)
	require.Empty(t, r.body)

	// The import finds the same values and rewrites no parameter, but it rewrites the script.
	r = &call{settings: Settings{URL: "https://relay.example.com", Secret: good}, status: 202, answer: accepted}
	_, thrown = r.run(t, text)
	require.Empty(t, thrown)
	require.True(t, r.signedWith(good))
}

// A setting from the script may be out of date: faults then say which setting it was, and what to do.
func TestFaultsNameSettingsFromTheScript(t *testing.T) {
	file := Settings{URL: "https://old.example.com", Secret: "0123456789abcdef-old"}
	address, secret := parameter{"URL", "https://relay.example.com"}, parameter{"SECRET", good}
	long := with(event, "EVENT.OPDATA", strings.Repeat("x", 70000))
	for name, c := range map[string]struct {
		changed []parameter // by hand
		macros  map[string]string
		status  int
		answer  string
		names   string // "" where the form's settings were used
	}{
		"URL, no answer":            {[]parameter{address}, long, 0, "", "cut off URL: "},
		"URL, another site":         {[]parameter{address}, long, 404, "<html>", "cut off URL: "},
		"URL, a proxy":              {[]parameter{address}, long, 502, "<html>", "cut off URL: "},
		"URL, another relay":        {[]parameter{address}, long, 401, `{"error":"wrong signature"}`, "cut off URL: "},
		"SECRET":                    {[]parameter{secret}, long, 401, `{"error":"wrong signature"}`, "cut off SECRET: "},
		"both":                      {[]parameter{address, secret}, long, 401, `{"error":"wrong signature"}`, "cut off SECRET and URL: "},
		"a long value, nothing cut": {nil, long, 0, "", ""},
		"a short value":             {[]parameter{address, secret}, event, 401, `{"error":"wrong signature"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := &call{settings: file, status: c.status, answer: c.answer}
			_, thrown := r.run(t, parameters(t, file, c.changed, c.macros))
			require.Contains(t, thrown, "alert-relay: ")
			if c.names == "" {
				require.NotContains(t, thrown, "cut off")
			} else {
				require.Contains(t, thrown, c.names)
				require.Contains(t, thrown, `"Update existing" ticked`)
			}
			require.NotContains(t, thrown, good)
			require.NotContains(t, thrown, file.Secret)
		})
	}
}

// A source's name and a proxy that are cut off come from the script too.
func TestSourceAndProxyAreNotCutOff(t *testing.T) {
	s := Settings{URL: "https://relay.example.com", Secret: good, Source: "east", HTTPProxy: "http://proxy:3128"}
	r := &call{settings: s, status: 202, answer: accepted}
	_, thrown := r.run(t, parameters(t, s, []parameter{{"SOURCE", "east"}, {"HTTP_PROXY", "http://proxy:3128"}}, with(event, "EVENT.OPDATA", strings.Repeat("x", 70000))))
	require.Empty(t, thrown)
	require.Equal(t, "http://proxy:3128", r.proxy)
	require.Contains(t, r.body, `"SOURCE":"east"`)
}

// Secrets with any characters work, as a parameter and from the script.
func TestScriptWithOddSecrets(t *testing.T) {
	for _, secret := range []string{
		good, "<abc-0123456789", "{abc-0123456789", "{abc-0123456789}", "{12345678901234567890}", "<abc>", "it's \"odd\"", `back\slash\n`, "two  spaces",
		"Zürich-密码-0123456789", "$HOME", "</script>", "a,b", `","`, "'", "''", "#", ": x", "- x", "%s", "&lt;", "null", "*a", "!x", strings.Repeat("x", 2048),
	} {
		t.Run(secret[:min(len(secret), 20)], func(t *testing.T) {
			s := Settings{URL: "https://relay.example.com", Secret: secret}
			for _, macros := range []map[string]string{event, with(event, "EVENT.OPDATA", strings.Repeat("x", 70000))} {
				r := &call{settings: s, status: 202, answer: accepted}
				_, thrown := r.run(t, parameters(t, s, []parameter{{"SECRET", secret}}, macros))
				require.Empty(t, thrown)
				require.True(t, r.signedWith(secret))
			}
		})
	}
}

// Each fault is a sentence that says what to do, without a secret in it.
func TestScriptFaults(t *testing.T) {
	type setting = parameter
	for name, c := range map[string]struct {
		status int
		answer string
		change []setting
		macros map[string]string
		says   string
	}{
		"no answer":                   {0, "", nil, nil, "No answer from https://relay.example.com/v1/zabbix/events: Couldn't connect to server. Zabbix tries again as long as this alert has attempts left."},
		"no answer, Zabbix 7.0":       {0, "Error: cannot get URL: Could not connect to server.", nil, nil, "cannot get URL: Could not connect to server. Zabbix tries again as long as"},
		"another site, a page":        {200, "<!DOCTYPE html><html><title>Zabbix</title>", nil, nil, "There is no relay at https://relay.example.com/v1/zabbix/events (200)"},
		"another site, JSON":          {200, `{"ok":true}`, nil, nil, "There is no relay at https://relay.example.com/v1/zabbix/events (200)"},
		"another site, an array":      {202, `[1]`, nil, nil, "There is no relay at"},
		"another site that accepts":   {202, "<html>", nil, nil, "There is no relay at https://relay.example.com/v1/zabbix/events (202)"},
		"another site, nothing":       {204, "", nil, nil, "There is no relay at"},
		"a redirect":                  {302, "", nil, nil, "There is no relay at"},
		"no such page":                {404, "<html>nginx", nil, nil, "There is no relay at"},
		"a method not allowed":        {405, "", nil, nil, "There is no relay at"},
		"a login page":                {401, "<html><head><title>Sign in</title></head>", nil, nil, "Something before the relay answered 401, such as a proxy or another site at https://relay.example.com/v1/zabbix/events: Sign in"},
		"a proxy's refusal":           {403, "<h1>Forbidden</h1> by policy", nil, nil, "Something before the relay answered 403"},
		"a proxy without the relay":   {502, "<html>\n<h1>502 Bad  Gateway</h1>", nil, nil, ": 502 Bad Gateway"},
		"a proxy's maintenance page":  {503, "", nil, nil, "Something before the relay answered 503"},
		"the signature":               {401, `{"error":"wrong signature"}`, nil, nil, "The relay does not accept the signature. Compare SECRET"},
		"a fault":                     {400, `{"faults":[{"field":"event.id","what":"missing","hint":"x"}]}`, nil, nil, "The relay cannot use this event: event.id: missing (x)"},
		"busy":                        {429, `{"error":"the store can't keep up"}`, nil, nil, "The relay cannot take events just now (429): the store can't keep up. Zabbix tries again as long as"},
		"store trouble":               {503, `{"error":"cannot store it"}`, nil, nil, "The relay cannot take events just now (503): cannot store it."},
		"too large":                   {413, `{"error":"the body is larger than 1 byte"}`, nil, nil, "The relay answered 413: the body is larger"},
		"URL as shipped":              {202, accepted, []setting{{"URL", "<URL of the relay>"}}, nil, "The parameter URL of this media type is not set"},
		"URL empty":                   {202, accepted, []setting{{"URL", "  "}}, nil, "The parameter URL of this media type is not set"},
		"URL, an unknown macro":       {202, accepted, []setting{{"URL", "{$RELAY.URL}"}}, nil, "The macro {$RELAY.URL} has no value here"},
		"URL without a scheme":        {202, accepted, []setting{{"URL", "relay.example.com"}}, nil, `must begin with http:// or https://, got "relay.example.com"`},
		"URL with a login, no scheme": {202, accepted, []setting{{"URL", "admin:hunter2@relay"}}, nil, `must begin with http:// or https://, got "***@relay"`},
		"URL with a login":            {0, "", []setting{{"URL", "https://admin:hunter2@relay"}}, nil, "No answer from https://***@relay/v1/zabbix/events"},
		"URL with a query":            {202, accepted, []setting{{"URL", "https://relay/?key=hunter2"}}, nil, "must have no query and no fragment: https://relay/ is enough"},
		"SECRET as shipped":           {202, accepted, []setting{{"SECRET", "<secret of this source>"}}, nil, "The parameter SECRET of this media type is not set"},
		"SECRET, an unknown macro":    {202, accepted, []setting{{"SECRET", "{$RELAY.SECRET}"}}, nil, "The macro {$RELAY.SECRET} has no value here"},
		"EVENT.ID missing":            {202, accepted, nil, map[string]string{"EVENT.ID": ""}, "The parameter EVENT.ID is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			macros := event
			if c.macros != nil {
				macros = c.macros
			}
			s := Settings{URL: "https://relay.example.com", Secret: good}
			r := &call{settings: s, status: c.status, answer: c.answer}
			_, thrown := r.run(t, parameters(t, s, c.change, macros))
			require.Contains(t, thrown, "alert-relay: ")
			require.Contains(t, thrown, c.says)
			require.NotContains(t, thrown, "Zabbix tries again:")
			require.NotContains(t, thrown, "hunter2")
			require.NotContains(t, thrown, good)
		})
	}
}

// The script sets a User-Agent, since Zabbix sends none.
func TestScriptHeaders(t *testing.T) {
	s := Settings{URL: "https://relay.example.com/", Secret: good}
	r := &call{settings: s, status: 202, answer: `{"message":"x","problem":null,"test":true}`}
	result, thrown := r.run(t, parameters(t, s, nil, event))
	require.Empty(t, thrown)
	require.Equal(t, "alert-relay-mediatype/1", r.headers["User-Agent"])
	require.Equal(t, "application/json", r.headers["Content-Type"])
	require.True(t, strings.HasPrefix(result, `{"message":"x"`), "the answer of the Test button begins with its sentence: %s", result)
	_, err := url.Parse(r.url)
	require.NoError(t, err)
	require.Equal(t, "https://relay.example.com/v1/zabbix/events", r.url)
}

// Wherever the text is cut, the whole values before the cut are sent, and never a broken one.
func TestEveryCutIsSalvaged(t *testing.T) {
	s := Settings{URL: "https://relay.example.com", Secret: good}
	odd := map[string]string{"EVENT.ID": "4711", "EVENT.NAME": "line\nbreak \"quoted\" \\back\\ ü {\"a\":\"b\",\"c\":\"d\"}",
		"EVENT.OPDATA": `ends in a quote and a comma ",`, "ALERT.MESSAGE": `","EVENT.ID":"1`}
	text := []rune(parameters(t, s, nil, odd))
	want := map[string]string{}
	require.NoError(t, json.Unmarshal([]byte(string(text)), &want))
	first := len([]rune(strings.SplitN(string(text), `,"EVENT.SOURCE"`, 2)[0])) + 2
	for cut := first; cut <= len(text); cut += 7 {
		r := &call{settings: s, status: 202, answer: accepted}
		_, thrown := r.run(t, string(text[:cut]))
		require.Empty(t, thrown, "cut at %d", cut)
		var sent map[string]string
		require.NoError(t, json.Unmarshal([]byte(r.body), &sent))
		require.Equal(t, cut < len(text), sent["SALVAGED"] == "1")
		delete(sent, "SALVAGED")
		for name, value := range sent {
			require.Equal(t, want[name], value, fmt.Sprintf("%s, cut at %d", name, cut))
		}
	}
}
