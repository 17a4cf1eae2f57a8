package payload

import (
	"encoding/json"
	"encoding/xml"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
)

// Without a template a body is Data as JSON, cleaned but as people wrote it.
func TestDefaultBody(t *testing.T) {
	var none *Body
	p := alert.Problem{Key: alert.Key{Source: "main", EventID: "4711~2"}, State: alert.StateOpen, Severity: alert.High}
	p.Name, p.TriggerDescription = "a \"b\"\u202e <c>\nd", "one\r\ntwo\x00"
	p.Hosts = []alert.Host{{Host: "sw1", Name: "Core"}}
	p.Tags = []alert.Tag{{Tag: "service", Value: "lan"}, {Tag: alert.LinkTag, Value: "https://relay/"}}
	p.OpenedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("x", 3600))
	raw, err := none.Make(Data{ID: "1", Problem: Of(p, "https://z/1")})
	require.NoError(t, err)
	var back map[string]any
	require.NoError(t, json.Unmarshal(raw, &back))
	require.NotContains(t, back, "approver")
	got := back["problem"].(map[string]any)
	require.Equal(t, "main/4711", got["id"])
	require.Equal(t, "a \"b\" <c> d", got["name"])
	require.Equal(t, "one\ntwo", got["description"])
	require.Equal(t, "high", got["severity"])
	require.Equal(t, "2026-01-02T02:04:05Z", got["opened_at"])
	require.Equal(t, []any{map[string]any{"tag": "service", "value": "lan"}}, got["tags"])
	require.Equal(t, []any{}, got["groups"])
	require.NotContains(t, got, "resolved_at")

	p.Name = strings.Repeat("x", 100_000)
	require.LessOrEqual(t, len([]rune(Of(p, "").Name)), maxLine)
}

// What a template prints is escaped for the content type, however it is printed.
func TestBodiesAreEscaped(t *testing.T) {
	d := sample()
	make := func(source, kind string) string {
		b, err := NewBody(source, kind)
		require.NoError(t, err, source)
		out, err := b.Make(d)
		require.NoError(t, err, source)
		return string(out)
	}
	for _, inside := range []string{`{{.Problem.Name}}`, `{{printf "%s" .Problem.Name}}`, `{{.Problem.Name | printf "%v"}}`, `{{with .Problem}}{{.Name}}{{end}}`, `{{$n := .Problem.Name}}{{$n}}`,
		`{{range .Problem.Tags}}{{.Value}}{{end}}`, `{{join ", " .Problem.Groups}}`, `{{define "n"}}{{.}}{{end}}{{template "n" .Problem.Name}}`, `{{if true}}{{.Problem.Name}}{{else}}x{{end}}`, `{{.Problem.Tag "service"}}`} {
		var got struct{ X string }
		require.NoError(t, json.Unmarshal([]byte(make(`{"x": "`+inside+`"}`, "application/json; charset=utf-8")), &got), inside)
		require.Equal(t, d.Problem.Name, got.X, inside)
		form, err := url.ParseQuery(make("a=1&x="+inside, "application/x-www-form-urlencoded"))
		require.NoError(t, err)
		require.Equal(t, url.Values{"a": {"1"}, "x": {d.Problem.Name}}, form, inside)
		var element struct {
			X string `xml:"x"`
		}
		require.NoError(t, xml.Unmarshal([]byte("<r><x>"+strings.TrimSpace(make(inside, "application/soap+xml"))+"</x></r>"), &element))
		require.Equal(t, d.Problem.Name, element.X, inside)
		require.Equal(t, d.Problem.Name, make(inside, "text/plain"))
	}
	require.JSONEq(t, `{"hosts": [{"host": "sw1", "name": "a \"b\" \\ <c> & 'd' ${e} {{f}} é\nnext %22", "ip": "192.0.2.1"}], "n": 4, "b": false, "at": "2026-01-02T03:04:05Z", "day": "2 Jan", "short": "A…", "host": "sw1"}`,
		make(`{"hosts": {{json .Problem.Hosts}}, "n": {{.Problem.SeverityNumber}}, "b": {{.Problem.Acknowledged}}, "at": "{{.Problem.OpenedAt}}", "day": "{{format "2 Jan" .Problem.OpenedAt}}", "short": "{{.Problem.Name | upper | limit 3}}", "host": "{{.Problem.Host}}"}`, DefaultType))
}

// What is wrong with a template is said when it is compiled, with its line.
func TestTemplateFaults(t *testing.T) {
	for source, want := range map[string]string{
		`{"a": "{{.Problem.Nmae}}"}`:                           `line 1: at <.Problem.Nmae>: can't evaluate field Nmae in type payload.Problem`,
		"{\n\"a\": {{frob .ID}}}":                              `line 2: function "frob" not defined`,
		"{{if .ID}":                                            `line 1: bad character`,
		`{"a": {{.Problem.Name}}}`:                             `its result isn't JSON: invalid character`,
		`{"a": {{.Problem.EventID}}}`:                          `its result isn't JSON`,
		`{"a": "{{.Problem.Hosts}}"}`:                          `is a list or an object: print one of its fields, or all of it by json`,
		`{"a": "{{(index .Problem.Hosts 0).Name}}"}`:           `index out of range`,
		`{"a": "{{.Approver.Name}}"}`:                          `nil pointer`,
		`{"a": "{{range $i := .Problem.Hosts}}{{$i}}{{end}}"}`: `is a list or an object`,
		`{{join "," .Problem.Name}}`:                           `expected a list`,
	} {
		_, err := NewBody(source, DefaultType)
		require.ErrorContains(t, err, want, source)
	}
	_, err := NewBody("x", "a b")
	require.ErrorContains(t, err, "content type")
	_, err = NewBody(`{{printf "%0300000d" 1}}`, "text/plain")
	require.ErrorContains(t, err, "wrote more than")
	_, err = NewAnswer("{{.key")
	require.Error(t, err)
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		source, answer, want string
		ok                   bool
	}{
		{"Ticket {{.key}}", `{"key": "OPS-1"}`, "Ticket OPS-1", true},
		{"Job {{.job}} {{.a.b}}", `{"job": 12345678901234567890, "a": {"b": true}}`, "Job 12345678901234567890 true", true},
		{"{{(index .list 0).id}}", `{"list": [{"id": 5}]}`, "5", true},
		{"Ticket {{.key}}", `{"id": 1}`, "", false},
		{"Ticket {{.key}}", `["x"]`, "", false},
		{"Ticket {{.key}}", `<html>`, "", false},
		{"Ticket {{.key}}", ``, "", false},
		{"Ticket {{.a}}", `{"a": {"b": 1}}`, "", false},
		{"{{.a}}", `{"a": "x\n\u202e\u0007y"}`, "x y", true},
		{"{{.a}}", `{"a": ""}`, "", false},
		{"{{.a}}", `{"a": null}`, "", false},
	} {
		a, err := NewAnswer(c.source)
		require.NoError(t, err)
		got, ok := a.Make([]byte(c.answer))
		require.Equal(t, c.ok, ok, c)
		if ok {
			require.Equal(t, c.want, got, c)
		}
	}
	var none *Answer
	_, ok := none.Make([]byte(`{}`))
	require.False(t, ok)
}

// Whatever people and Zabbix write, a body of JSON is JSON with the same texts, and an answer makes one line.
func FuzzBody(f *testing.F) {
	b, err := NewBody(`{"name": "{{.Problem.Name}}", "again": {{json .Problem.Name}}, "list": "{{join ", " .Problem.Groups}}", "c": "{{limit 5 .Comment}}"}`, DefaultType)
	require.NoError(f, err)
	a, err := NewAnswer("{{.message}} {{.a.b}}")
	require.NoError(f, err)
	f.Add(sample().Problem.Name, `{"message": "x"}`)
	f.Add("\xff\x00</script>\u2028", `{"message": {"a": [1]}, "a": {"b": "\u202e"}}`)
	f.Fuzz(func(t *testing.T, name, answer string) {
		p := alert.Problem{}
		p.Name, p.Groups = name, []string{name}
		d := Data{Comment: Block(name), Problem: Of(p, "")}
		raw, err := b.Make(d)
		require.NoError(t, err)
		var got struct{ Name, Again, List, C string }
		require.NoError(t, json.Unmarshal(raw, &got))
		require.Equal(t, got.Again, got.Name)
		require.Equal(t, d.Problem.Name, got.Name)
		said, ok := a.Make([]byte(answer))
		require.True(t, !ok || said != "" && !strings.ContainsAny(said, "\n\r\u202e\x07"))
	})
}
