package receiver

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-playground/validator/v10"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/fault"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
)

// maxMessage is Webex's limit for text and for markdown, in bytes. A test checks that it equals webex.MaxMessageBytes.
const maxMessage = 7439

// maxUnknown bounds the unknown fields in one answer.
const maxUnknown = 20

// notification is a request of POST /v1/notify.
type notification struct {
	Room, Person, Markdown, Text, Key, Thread, Severity, IdempotencyKey string
	File                                                                *store.File
}

var notificationFields = []string{"room", "person", "markdown", "text", "key", "thread", "severity", "idempotency_key"}

// into returns where the value of a field goes; nil for an unknown field.
func (n *notification) into(name string) *string {
	return map[string]*string{
		"room": &n.Room, "person": &n.Person, "markdown": &n.Markdown, "text": &n.Text, "key": &n.Key,
		"thread": &n.Thread, "severity": &n.Severity, "idempotency_key": &n.IdempotencyKey,
	}[name]
}

// parseNotification reads a request: multipart/form-data, which can have a file, or JSON whatever its type. It names every fault.
func parseNotification(header http.Header, body []byte) (n notification, found fault.Faults) {
	if boundary, ok := formBoundary(header); ok {
		n, found = parseForm(boundary, body)
	} else {
		n, found = parseJSON(body)
	}
	if key := header.Get("Idempotency-Key"); key != "" {
		if n.IdempotencyKey != "" && n.IdempotencyKey != key {
			found = append(found, fault.Fault{Field: "idempotency_key", What: "differs from the header Idempotency-Key", Hint: "use one of them"})
		}
		n.IdempotencyKey = key
	}
	if len(found) > 0 {
		return n, found // faults of the form would be reported twice
	}
	return n, n.faults()
}

// formBoundary returns the boundary of a form; false for another content type.
func formBoundary(header http.Header) (boundary string, ok bool) {
	kind, parameters, _ := mime.ParseMediaType(header.Get("Content-Type"))
	return parameters["boundary"], kind == "multipart/form-data"
}

func parseJSON(body []byte) (n notification, found fault.Faults) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		what := "not a JSON object"
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			what = "not JSON: " + syntax.Error()
		}
		return n, fault.Faults{{What: what, Hint: `expected {"room": "noc", "markdown": "**done**"}`}}
	}
	for _, name := range notificationFields {
		raw, ok := fields[name]
		if !ok || bytes.Equal(raw, []byte("null")) {
			continue
		}
		if err := json.Unmarshal(raw, n.into(name)); err != nil {
			found = append(found, fault.Fault{Field: name, What: "not a string"})
		}
	}
	var unknown []string
	for name := range fields {
		if n.into(name) == nil {
			unknown = append(unknown, name)
		}
	}
	return n, append(found, unknownFields(unknown)...)
}

func unknownFields(names []string) (found fault.Faults) {
	slices.Sort(names)
	for _, name := range names[:min(len(names), maxUnknown)] {
		hint := "expected " + text.Or(notificationFields)
		if name == "file" {
			hint = "send a file as multipart/form-data, such as curl -F file=@report.pdf"
		}
		found = append(found, fault.Fault{Field: text.Shorten(name, 40), What: "unknown", Hint: hint})
	}
	return found
}

// parseForm reads multipart/form-data: the same fields, and a file.
func parseForm(boundary string, body []byte) (n notification, found fault.Faults) {
	form := multipart.NewReader(bytes.NewReader(body), boundary)
	seen, unknown := map[string]bool{}, []string{}
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			return n, append(found, unknownFields(unknown)...)
		}
		var content []byte
		if err == nil {
			content, err = io.ReadAll(part)
		}
		if err != nil {
			return n, fault.Faults{{What: "not a complete multipart/form-data body: " + err.Error(), Hint: "let the client write it, such as curl -F room=noc -F file=@report.pdf"}}
		}
		name := part.FormName()
		into := n.into(name)
		switch {
		case seen[name]:
			found = append(found, fault.Fault{Field: text.Shorten(name, 40), What: "given twice", Hint: "a message has one of each"})
		case name == "file":
			n.File = &store.File{Name: text.FileName(part.FileName()), Type: contentType(content), Content: content}
		case into == nil:
			unknown = append(unknown, name)
		default:
			*into = string(content)
		}
		seen[name] = true
	}
}

// contentType is the type of a file by its content: what a client says isn't believed.
func contentType(content []byte) string { return http.DetectContentType(content) }

// addresses checks e-mail addresses.
var addresses = validator.New()

// faults names the first mistake in each field.
func (n notification) faults() (found fault.Faults) {
	const either, one, split = "expected room or person, and markdown or text", "use one of them", "split it, or send the beginning and a link"
	blank := func(s string) bool { return s != "" && strings.TrimSpace(s) == "" }
	size := func(s string) string { return fmt.Sprintf("%d bytes, Webex accepts %d", len(s), maxMessage) }
	_, notSeverity := alert.ParseSeverity(n.Severity)
	type rule struct {
		broken bool
		fault.Fault
	}
	rules := []rule{
		{n.Room == "" && n.Person == "", fault.Fault{Field: "room", What: "missing", Hint: either}},
		{utf8.RuneCountInString(n.Room) > 64, fault.Fault{Field: "room", What: "longer than 64 characters"}},
		{n.Room != "" && n.Person != "", fault.Fault{Field: "person", What: "conflicts with room", Hint: one}},
		{utf8.RuneCountInString(n.Person) > 254, fault.Fault{Field: "person", What: "longer than 254 characters"}},
		{n.Person != "" && addresses.Var(n.Person, "email") != nil, fault.Fault{Field: "person", What: "not an e-mail address"}},
		{n.Markdown == "" && n.Text == "" && n.File == nil, fault.Fault{Field: "markdown", What: "missing", Hint: either}},
		{blank(n.Markdown), fault.Fault{Field: "markdown", What: "empty"}},
		{len(n.Markdown) > maxMessage, fault.Fault{Field: "markdown", What: size(n.Markdown), Hint: split}},
		{n.Markdown != "" && n.Text != "", fault.Fault{Field: "text", What: "conflicts with markdown", Hint: one}},
		{blank(n.Text), fault.Fault{Field: "text", What: "empty"}},
		{len(n.Text) > maxMessage, fault.Fault{Field: "text", What: size(n.Text), Hint: split}},
		{n.Severity != "" && notSeverity != nil, fault.Fault{Field: "severity", What: "unknown", Hint: "expected " + text.Or(text.Names(alert.Severities[:], alert.Severity.String))}},
		{n.File != nil && len(n.File.Content) == 0, fault.Fault{Field: "file", What: "empty"}},
		{n.File != nil && n.Key != "", fault.Fault{Field: "file", What: "conflicts with key: Webex can't edit a message with a file", Hint: "send the file without key, with the same thread as the message that is edited"}},
	}
	for _, id := range []struct{ name, value string }{{"key", n.Key}, {"thread", n.Thread}, {"idempotency_key", n.IdempotencyKey}} {
		rules = append(rules,
			rule{utf8.RuneCountInString(id.value) > 200, fault.Fault{Field: id.name, What: "longer than 200 characters"}},
			rule{strings.ContainsFunc(id.value, text.Dangerous), fault.Fault{Field: id.name, What: "contains control characters"}})
	}
	for _, rule := range rules {
		if rule.broken && (len(found) == 0 || found[len(found)-1].Field != rule.Field) {
			found = append(found, rule.Fault)
		}
	}
	return found
}

// shown is the request as the room will see it, with its size checked again: it may have grown.
func (n notification) shown(mentionAll bool, label func(alert.Severity) string) (notification, fault.Faults) {
	n.Markdown, n.Text = printable(n.Markdown), printable(n.Text)
	n.Text = withoutAll(n.Text)
	if mentionAll {
		n.Markdown = withAll(n.Markdown)
	} else {
		n.Markdown = withoutAll(n.Markdown)
	}
	if severity, err := alert.ParseSeverity(n.Severity); err == nil && n.Severity != "" {
		switch word := label(severity); {
		case n.Text != "":
			n.Text = word + " · " + n.Text
		case n.Markdown == "":
			n.Markdown = word
		case block.MatchString(n.Markdown):
			n.Markdown = word + "\n\n" + n.Markdown
		default:
			n.Markdown = word + " · " + n.Markdown
		}
	}
	return n, n.faults()
}

// block is the beginning of markdown that must begin a line: a heading, quote, list or block of code.
var block = regexp.MustCompile("^( {4}|\t| {0,3}([#>]|[-*+][ \t]|[0-9]+[.)]|```|~~~))")

// ansi are the escape sequences by which programs colour what they print.
var ansi = regexp.MustCompile(`\x1b\[[0-9;?]*[ -/]*[@-~]`)

// printable removes what no message contains: control, invisible and bidi characters. White space stays, for blocks of code.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && text.Dangerous(r) {
			return -1
		}
		return r
	}, ansi.ReplaceAllString(strings.ToValidUTF8(s, "�"), ""))
}

// once identifies a request: the same one again has the same digest.
func (n notification) once() store.Once {
	if n.IdempotencyKey == "" {
		return store.Once{}
	}
	digest := sha256.New()
	write := func(s string) { fmt.Fprintf(digest, "%d %s\n", len(s), s) } // a hash doesn't fail
	for _, name := range notificationFields {
		write(*n.into(name))
	}
	if n.File != nil {
		write(n.File.Name)
		write(string(n.File.Content))
	}
	return store.Once{Key: n.IdempotencyKey, Digest: hex.EncodeToString(digest.Sum(nil))}
}
