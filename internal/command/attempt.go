package command

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/zabbix"
)

// detail is what store.Command.Detail holds of a command that was accepted: what is needed to go on
// after a restart.
type detail struct {
	// Envelope is what chat stored when it claimed the command: it reads the message again if the relay
	// crashes before the command has begun.
	Envelope json.RawMessage `json:"envelope,omitempty"`
	Heard    *Heard          `json:"heard,omitempty"`
	Request  *Request        `json:"request,omitempty"`
	Attempts []attempt       `json:"attempts,omitempty"` // one for each problem
	// Waiting says that the person was told that it takes longer.
	Waiting bool `json:"waiting,omitempty"`
	// Wide is set where the command is about a whole digest: Attempts are a part of it.
	Wide *wide `json:"wide,omitempty"`
}

func (d detail) encode() []byte {
	b, err := json.Marshal(d)
	if err != nil { // nothing in it can fail
		panic(fmt.Sprintf("command: detail: %v", err))
	}
	return b
}

func decodeDetail(b []byte) (detail, error) {
	var d detail
	if len(b) == 0 {
		return d, fmt.Errorf("no detail is kept with it")
	}
	err := json.Unmarshal(b, &d)
	return d, err
}

// Understood reports whether a command got as far as a request to carry out: it wasn't just answered
// with a question, or never read.
func Understood(c store.Command) bool {
	d, err := decodeDetail(c.Detail)
	return err != nil || d.Request != nil
}

// stage is where an attempt stands.
type stage string

const (
	stagePending   stage = ""          // Zabbix wasn't asked, or surely didn't get it
	stageExecuting stage = "executing" // Zabbix is being asked, or may have got it
	stageDone      stage = "done"
	stageFailed    stage = "failed"
	stageExpired   stage = "expired"
	stageUnknown   stage = "unknown" // nobody can say whether it was done
)

func (s stage) final() bool { return s != stagePending && s != stageExecuting }

// attempt is one problem of a command that acts.
type attempt struct {
	Key      alert.Key      `json:"key"`
	Name     string         `json:"name,omitempty"` // the problem's, for the answer
	Severity alert.Severity `json:"severity"`       // the problem's, before
	Own      bool           `json:"own,omitempty"`  // said in the problem's own thread
	// Generation is the problem's when the command was accepted: another one that takes the
	// event id while Zabbix is away is not acted on.
	Generation int       `json:"generation,omitempty"`
	Stage      stage     `json:"stage,omitempty"`
	StartedAt  time.Time `json:"started_at,omitzero"` // of the last call
	Message    string    `json:"message,omitempty"`   // as sent to Zabbix
	Words      string    `json:"words,omitempty"`     // the person's part of it
	// Plain says that the database may not take characters of more than three bytes, so
	// that the message is sent without them.
	Plain bool `json:"plain,omitempty"`
	// Ended says that Zabbix answered the last call with a failure of its own: nothing
	// is under way any more.
	Ended bool `json:"ended,omitempty"`
	// Outcome is one sentence of markdown for the person; Told says that no line of the
	// thread tells it, so that an answer must.
	Outcome string `json:"outcome,omitempty"`
	Told    bool   `json:"told,omitempty"`
}

// call is what Zabbix is asked for, for the attempt's event and others.
func (a attempt) call(r Request, eventIDs []string) zabbix.Acknowledge {
	call := zabbix.Acknowledge{EventIDs: eventIDs, Message: a.Message}
	if a.Plain {
		call.Message = withoutWide(a.Message)
	}
	does := r.act().actions(r, a.Severity)
	call.Ack, call.Unack, call.Close = does.Ack, does.Unack, does.Close
	if does.Severity != nil {
		call.Severity = &does.Severity.New
	}
	return call
}

// update is the attempt as the journal keeps it once it was done. It is the same
// however often it is made, so that the ledger knows it again. Its time is that of
// the call, which is what Zabbix has too.
func (a attempt) update(r Request, p Person) alert.Update {
	u := alert.Update{
		At: a.StartedAt, Actor: alert.Actor{Name: p.Name, Email: p.Email}, Message: a.Message, Comment: a.Words,
		Actions: r.act().actions(r, a.Severity), Wide: r.All,
	}
	u.Actions.Comment = true // the signature is always a message
	return u
}

// verdict is what Zabbix's own record says of an attempt whose answer was lost.
type verdict string

const (
	happened     verdict = "happened"
	absent       verdict = "absent"       // Zabbix has no record of it
	contradicted verdict = "contradicted" // it has one, but the problem isn't so
	gone         verdict = "gone"         // Zabbix doesn't know the event, or doesn't show it
)

// judge looks for the attempt in what Zabbix recorded: an acknowledgement with
// the attempt's mark. It is pure.
func judge(a attempt, r Request, o alert.Observation) verdict {
	if o.Gone {
		return gone
	}
	recorded := slices.ContainsFunc(o.Updates, func(u alert.Update) bool { return alert.SameMessage(u.Message, a.Message) })
	does := r.act().actions(r, a.Severity)
	so := (!does.Ack || o.Acknowledged) && (!does.Unack || !o.Acknowledged) && (does.Severity == nil || o.Severity == does.Severity.New)
	switch {
	case recorded && so:
		return happened
	case recorded:
		return contradicted
	}
	return absent
}

// markOf is the mark of a command in Zabbix's record. It is the same for all of its problems, since one
// call has one message for several, and however often the command is tried.
func markOf(command string) string {
	sum := sha256.Sum256([]byte(command))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:5]))
}

// sign is the message that Zabbix keeps: who the person is, since Zabbix records
// everything under the relay's own user, the attempt's mark, and the person's words.
// The signature comes first and has no character of more than three bytes, so that it
// survives a database that cuts the text. kept is what is left of the words.
func sign(words string, p Person, mark string) (message, kept string) {
	name := withoutWide(strings.NewReplacer("<", "", ">", "").Replace(text.Line(p.Name)))
	signature := strings.TrimSpace(text.Cut(name, 60) + " <" + text.Cut(strings.NewReplacer("<", "", ">", "").Replace(text.Line(p.Email)), 254) + "> " + alert.MarkPrefix + mark + ")")
	kept = text.Block(words)
	if kept == "" {
		return signature, ""
	}
	const note = " … (cut by the relay)"
	room := zabbix.MaxMessage - len([]rune(signature)) - 2
	if len([]rune(kept)) > room {
		kept = strings.TrimSpace(text.Cut(kept, room-len([]rune(note)))) + note
	}
	return signature + ": " + kept, kept
}

// withoutWide is s without characters of four bytes in UTF-8, and without the spaces
// and joiners that they leave behind.
func withoutWide(s string) string {
	if !hasWide(s) {
		return s
	}
	var out []rune
	wide := false // the last character was left out
	for _, r := range s {
		switch {
		case r > 0xFFFF:
			wide = true
			continue
		case wide && (r == '\u200d' || r == '\ufe0f'):
			continue
		case wide && r == ' ' && (len(out) == 0 || out[len(out)-1] == ' '):
			continue
		}
		wide = false
		out = append(out, r)
	}
	return strings.TrimSpace(string(out))
}

func hasWide(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0xFFFF }) >= 0
}

// over says how the command ends once every attempt has.
func over(attempts []attempt) (store.CommandState, bool) {
	state := store.CommandDone
	for _, a := range attempts {
		switch {
		case !a.Stage.final():
			return "", false
		case a.Stage == stageFailed || a.Stage == stageUnknown:
			state = store.CommandFailed
		case a.Stage == stageExpired && state == store.CommandDone:
			state = store.CommandExpired
		}
	}
	return state, true
}
