package render

import (
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
)

// DigestLine is a timeline entry of a problem that is posted in the thread of its digest: a nudge, or what people wrote.
type DigestLine struct {
	N     int // store.Line.N
	Item  DigestItem
	Nudge alert.Nudge
	Words string // by Lines; "" for a nudge
}

// labelsMost bounds how many problems a text in a digest's thread names.
const labelsMost = 10

// DigestLines returns the reply in a digest's thread with these lines. Each kind of nudge for the same people, and each text, is
// there once, whatever the number of problems. included is the number of lines that fit, at least one.
func (r *Renderer) DigestLines(lines []DigestLine, room Room) (markdown string, included int) {
	for included = len(lines); ; included /= 2 {
		markdown, fits := finish(r.digestLines(lines[:included], room, true))
		if fits || included == 1 {
			return markdown, included
		}
	}
}

// AnswerCard is the reply of DigestLines with a button that answers for all of the problems about which it asks whether somebody is
// still on them; nil if there are none. digest is the id of the digest's message.
func (r *Renderer) AnswerCard(lines []DigestLine, digest string, room Room) any {
	var asked []DigestLine
	var from, to time.Time
	for _, l := range lines {
		if n := l.Nudge; n.Kind == alert.EntryAsked {
			asked = append(asked, l)
			if from.IsZero() || n.At.Before(from) {
				from = n.At
			}
			if n.At.After(to) {
				to = n.At
			}
		}
	}
	if len(asked) == 0 {
		return nil
	}
	title := room.Lang.N(len(asked), "Yes, still on it", "Yes, still on all %d")
	body, _ := cardText(r.digestLines(lines, room, false), maxCardLines, maxCardBytes) // mentions are in the message
	return newCard(body, []element{{
		"type": "Action.Submit", "title": title, "style": "positive",
		"data": element{"relay": 1, "action": ActionStillOn, "key": digest, "value": alert.Asking{From: from, To: to}.String()},
	}})
}

func (r *Renderer) digestLines(lines []DigestLine, room Room, mention bool) string {
	l := room.Lang
	mentioned := func(n alert.Nudge) string {
		if !mention {
			return ""
		}
		return before(" ", string(mentions(n, room.Name)))
	}
	var texts []string
	same := map[string][]DigestLine{}
	for _, line := range lines {
		text := line.Words
		if text == "" {
			text = digestNudge(l, line.Nudge, room.Name, 2, "") + mentioned(line.Nudge) // the same for those that are told together
		}
		if same[text] == nil {
			texts = append(texts, text)
		}
		same[text] = append(same[text], line)
	}
	var out strings.Builder
	for _, text := range texts {
		of := same[text]
		labels := r.labelsOf(l, of)
		if of[0].Words != "" {
			out.WriteString("\n" + l.T("About %s", labels) + "\n" + text + "\n\n")
			continue
		}
		out.WriteString(digestNudge(l, of[0].Nudge, room.Name, len(of), labels) + mentioned(of[0].Nudge) + "\n")
	}
	return out.String()
}

// labelsOf names the problems of lines, labelsMost at most.
func (r *Renderer) labelsOf(l lang.Lang, lines []DigestLine) string {
	var labels []string
	for _, line := range lines[:min(len(lines), labelsMost)] {
		labels = append(labels, r.itemLabel(l, line.Item, 1))
	}
	if rest := len(lines) - labelsMost; rest > 0 {
		labels = append(labels, l.T("… and %d more", rest))
	}
	return strings.Join(labels, ", ")
}

// digestNudge describes a nudge about so many problems with these labels.
func digestNudge(l lang.Lang, n alert.Nudge, room string, count int, labels string) string {
	span := formatDuration(l, n.At.Add(-n.After), n.At)
	switch n.Kind {
	case alert.EntryAsked:
		return l.N(count, "❓ Still on it? %d problem acknowledged, and nobody has acted for %s: %s. To keep the acknowledgement, press the button or say “ack” with the event id within %s",
			"❓ Still on them? %d problems acknowledged, and nobody has acted for %s: %s. To keep the acknowledgement, press the button or say “ack” with the event id within %s",
			span, labels, answerWithin(l, n))
	case alert.EntryReminded:
		return l.N(count, "⏰ %d problem still open, and nobody has acknowledged it", "⏰ %d problems still open, and nobody has acknowledged them")
	}
	gap := before(" · ", Text(gapWords(l, n)).String())
	if to := escalated(l, n, room, func(rooms string) string { return limited(rooms, maxLabel).String() }); to != "" {
		return l.N(count, "⏫ %d problem %s: nobody acknowledged it for %s", "⏫ %d problems %s: nobody acknowledged them for %s", to, span) + gap
	}
	return l.N(count, "⏫ %d problem open, and nobody acknowledged it for %s", "⏫ %d problems open, and nobody acknowledged them for %s", span) + gap
}
