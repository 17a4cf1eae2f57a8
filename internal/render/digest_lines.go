package render

import (
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
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
	title := "Yes, still on it"
	if len(asked) > 1 {
		title = "Yes, still on all " + number(len(asked))
	}
	body, _ := cardText(r.digestLines(lines, room, false), maxCardLines, maxCardBytes) // mentions are in the message
	return newCard(body, []element{{
		"type": "Action.Submit", "title": title, "style": "positive",
		"data": element{"relay": 1, "action": ActionStillOn, "key": digest, "value": alert.Asking{From: from, To: to}.String()},
	}})
}

func (r *Renderer) digestLines(lines []DigestLine, room Room, mention bool) string {
	var texts []string
	same := map[string][]DigestLine{}
	for _, l := range lines {
		text := l.Words
		if text == "" {
			if text = digestNudge(l.Nudge, room.Name); mention {
				text += before(" ", string(mentions(l.Nudge, room.Name)))
			}
		}
		if same[text] == nil {
			texts = append(texts, text)
		}
		same[text] = append(same[text], l)
	}
	var out strings.Builder
	for _, text := range texts {
		of := same[text]
		if of[0].Words != "" {
			out.WriteString("\nAbout " + r.labelsOf(of) + "\n" + text + "\n\n")
			continue
		}
		them := "them"
		if len(of) == 1 {
			them = "it"
		}
		out.WriteString(strings.NewReplacer("{n}", count(len(of), "problem"), "{them}", them, "{labels}", r.labelsOf(of)).Replace(text) + "\n")
	}
	return out.String()
}

// labelsOf names the problems of lines, labelsMost at most.
func (r *Renderer) labelsOf(lines []DigestLine) string {
	var labels []string
	for _, l := range lines[:min(len(lines), labelsMost)] {
		labels = append(labels, r.itemLabel(l.Item, 1))
	}
	if rest := len(lines) - labelsMost; rest > 0 {
		labels = append(labels, "… and "+number(rest)+" more")
	}
	return strings.Join(labels, ", ")
}

// digestNudge describes a nudge; {n}, {them} and {labels} stand for the problems.
func digestNudge(n alert.Nudge, room string) string {
	switch n.Kind {
	case alert.EntryAsked:
		return "❓ Still on {them}? {n} acknowledged, and nobody has acted for " + formatDuration(n.At.Add(-n.After), n.At) +
			": {labels}. To keep the acknowledgement, press the button or say “ack” with the event id within " + answerWithin(n)
	case alert.EntryReminded:
		return "⏰ {n} still open, and nobody has acknowledged {them}"
	}
	why := "nobody acknowledged {them} for " + formatDuration(n.At.Add(-n.After), n.At)
	if step, rooms := escalated(n, room); step != "" {
		return "⏫ {n} " + step + limited(rooms, maxLabel).String() + ": " + why + before(" · ", Text(n.Gap).String())
	}
	return "⏫ {n} open, and " + why + before(" · ", Text(n.Gap).String())
}
