package command

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/zabbix"
)

// detail is the content of store.Command.Detail for an accepted command: all that it needs to continue after a restart.
type detail struct {
	// Envelope is the delivery that chat stored when it claimed the command. Chat reads the message again if the
	// relay crashes before the command has begun.
	Envelope json.RawMessage `json:"envelope,omitempty"`
	Input    *Input          `json:"heard,omitempty"`
	Request  *Request        `json:"request,omitempty"`
	Attempts []attempt       `json:"attempts,omitempty"` // one for each problem
	// Waiting: the person got an interim reply.
	Waiting bool `json:"waiting,omitempty"`
	// Asked is the request if it was answered with a question; Second: a second person confirms it. SpentBy is the command that did, or
	// the edit of its message that replaced the question.
	Asked   *Request `json:"asked,omitempty"`
	Second  bool     `json:"second,omitempty"`
	SpentBy string   `json:"confirmed_by,omitempty"`
	// Wide is set if the command is about a whole digest. Attempts are one part of it.
	Wide *wide `json:"wide,omitempty"`
	// Answered: the person got the final reply. It is replaced if Zabbix doesn't do what it accepted.
	Answered bool `json:"answered,omitempty"`
	// Lapse is set if the command takes back an acknowledgement that lapsed: when people were asked about it.
	Lapse time.Time `json:"lapse,omitzero"`
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
		return d, errors.New("it has no detail")
	}
	err := json.Unmarshal(b, &d)
	return d, err
}

// HadEffect reports whether a command that ended or was begun had an effect, so that edits of its message are ignored. A question has
// one once somebody confirms it.
func HadEffect(c store.Command) bool {
	d, err := decodeDetail(c.Detail)
	switch {
	case d.Asked != nil:
		return d.SpentBy != "" && !replaced(c, d)
	case c.State == store.CommandFailed || c.State == store.CommandExpired:
		return err != nil || d.Request != nil
	}
	return true
}

// stage is the state of an attempt.
type stage string

const (
	stagePending    stage = ""          // no call was made, or it certainly had no effect
	stageExecuting  stage = "executing" // a call is in flight, or Zabbix may have received it
	stageVerifying  stage = "verifying" // Zabbix accepted it, and does it later
	stageDone       stage = "done"
	stageFailed     stage = "failed"
	stageRefused    stage = "refused" // the relay did nothing: the outcome says why, or asks
	stageExpired    stage = "expired"
	stageUnknown    stage = "unknown"    // the outcome can't be determined
	stageUnverified stage = "unverified" // Zabbix accepted it, and didn't do it
)

func (s stage) final() bool {
	return s != stagePending && s != stageExecuting && s != stageVerifying
}

// attempt is a command's action on one problem.
type attempt struct {
	Key      alert.Key      `json:"key"`
	Name     string         `json:"name,omitempty"` // the problem's, for the answer
	Severity alert.Severity `json:"severity"`       // the problem's, before
	Own      bool           `json:"own,omitempty"`  // written in the problem's own thread
	// Generation is the problem's when the command was accepted. Another problem that takes the event id
	// while Zabbix is unreachable isn't acted on.
	Generation int       `json:"generation,omitempty"`
	Stage      stage     `json:"stage,omitempty"`
	StartedAt  time.Time `json:"started_at,omitzero"` // of the last call
	Message    string    `json:"message,omitempty"`   // as sent to Zabbix
	Words      string    `json:"words,omitempty"`     // the person's part of it
	// As is the Zabbix user as whom the person acts, with their own token; "" for the relay's user.
	As string `json:"as,omitempty"`
	// Plain: Zabbix's database may not store characters of four bytes, so the message is sent without them.
	Plain bool `json:"plain,omitempty"`
	// Ended: Zabbix answered the last call with a failure of its own, so it is no longer in flight.
	Ended bool `json:"ended,omitempty"`
	// Does is what an attempt does that isn't about a problem, in markdown: "start a maintenance of `sw1`".
	Does string `json:"does,omitempty"`
	// Lane is where it waits for its turn; "" for the lane of its source.
	Lane string `json:"lane,omitempty"`
	// Body is that of an action's request, which every try has. It is dropped at the end.
	Body []byte `json:"body,omitempty"`
	// Outcome is a sentence of markdown for the person. NeedsReply: no line of the thread shows the outcome, so a reply must.
	Outcome    string `json:"outcome,omitempty"`
	NeedsReply bool   `json:"told,omitempty"`
}

// newAttempt returns an attempt at a problem for this person's command. as is the Zabbix user whose token they have; "" for none.
func newAttempt(p alert.Problem, command, words string, owner *alert.Owner, person Person, as string) attempt {
	a := attempt{Key: p.Key, Name: p.Name, Severity: p.Severity, Generation: p.Generation, As: as}
	a.sign(words, command, owner, person)
	return a
}

// sign makes the message for Zabbix's record.
func (a *attempt) sign(words, command string, owner *alert.Owner, person Person) {
	signed := sign
	if a.As != "" {
		signed = signMark // Zabbix knows the person
	}
	a.Message, a.Words = signed(words, person, markOf(command))
	if owner != nil {
		note := ownerNote(*owner, person)
		if a.Words != "" {
			note += ": " + a.Words
		}
		a.Message, _ = signed(note, person, markOf(command))
	}
}

// call returns the batch's call to Zabbix.
func (b *batch) call() zabbix.Acknowledge {
	a := b.attempts[0]
	call := zabbix.Acknowledge{EventIDs: b.ids(), Message: a.Message}
	if a.Plain {
		call.Message = withoutFourByte(a.Message)
	}
	does := b.req.act().actions(b.req, a.Severity)
	call.Ack, call.Unack, call.Close = does.Ack, does.Unack, does.Close
	call.Suppress, call.Until, call.Unsuppress = does.Suppress, does.SuppressUntil, does.Unsuppress
	if call.ToCause = does.ToCause; does.ToSymptom {
		call.SymptomOf = b.req.Cause.EventID
	}
	if does.Severity != nil {
		call.Severity = &does.Severity.New
	}
	return call
}

// update returns the journal entry of a completed attempt. It is always the same, so that the ledger recognises a duplicate. Its
// time is that of the call, as in Zabbix.
func (a attempt) update(r Request, p Person) alert.Update {
	u := alert.Update{
		At: a.StartedAt, Actor: alert.Actor{Name: p.Name, Email: p.Email}, Message: a.Message, Comment: a.Words,
		Actions: r.act().actions(r, a.Severity), Wide: r.All,
	}
	u.Owner = r.Owner
	u.Actions.Comment = true // the signature is always a message
	return u
}

// verdict is the evidence in Zabbix's record about an attempt whose answer was lost.
type verdict string

const (
	happened     verdict = "happened"
	absent       verdict = "absent"       // Zabbix has no record of it
	contradicted verdict = "contradicted" // it has one, but the problem's state differs
	gone         verdict = "gone"         // Zabbix doesn't know the event, or doesn't show it
)

// judge looks for the attempt's mark in Zabbix's record.
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

// markOf returns the mark of a command in Zabbix's record. It is the same for all of its problems, since one call
// has one message, and for all retries.
func markOf(command string) string {
	sum := sha256.Sum256([]byte(command))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:5]))
}

// sign returns the message for Zabbix's record: the person's name, since Zabbix records everything under the relay's
// own user, the mark, and the person's words. The signature comes first and has no character of four bytes, so that
// it survives a database that truncates the text. kept is the part of the words that fits.
func sign(words string, p Person, mark string) (message, kept string) {
	return signedWith(signature(p)+" "+alert.MarkPrefix+mark+")", words)
}

// signMark is sign for a person as whom Zabbix records the message: it has the mark alone.
func signMark(words string, _ Person, mark string) (message, kept string) {
	return signedWith(alert.OwnMarkPrefix+mark+")", words)
}

func signedWith(signature, words string) (message, kept string) {
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

// signature returns a person's name and address for Zabbix's records.
func signature(p Person) string {
	bare := strings.NewReplacer("<", "", ">", "")
	email := cmp.Or(bare.Replace(text.Line(p.Email)), "automatic") // the relay itself has no address
	return strings.TrimSpace(text.Cut(withoutFourByte(bare.Replace(text.Line(p.Name))), 60) + " <" + text.Cut(email, 254) + ">")
}

// withoutFourByte removes characters of four bytes in UTF-8, with the spaces and joiners around them.
func withoutFourByte(s string) string {
	if !hasFourByte(s) {
		return s
	}
	var out []rune
	removed := false // the last character was
	for _, r := range s {
		switch {
		case r > 0xFFFF:
			removed = true
			continue
		case removed && (r == '\u200d' || r == '\ufe0f'):
			continue
		case removed && r == ' ' && (len(out) == 0 || out[len(out)-1] == ' '):
			continue
		}
		removed = false
		out = append(out, r)
	}
	return strings.TrimSpace(string(out))
}

func hasFourByte(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0xFFFF }) >= 0
}

// over returns the final state of a command; false while an attempt is unfinished.
func over(attempts []attempt) (store.CommandState, bool) {
	state := store.CommandDone
	for _, a := range attempts {
		switch {
		case !a.Stage.final():
			return "", false
		case a.Stage == stageFailed || a.Stage == stageRefused || a.Stage == stageUnknown || a.Stage == stageUnverified:
			state = store.CommandFailed
		case a.Stage == stageExpired && state == store.CommandDone:
			state = store.CommandExpired
		}
	}
	return state, true
}
