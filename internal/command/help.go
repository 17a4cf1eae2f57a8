package command

import (
	"context"
	"fmt"
	"strings"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
)

func answerHelp(ctx context.Context, e *Executor, s scope, r Request, _ []target, _ render.Room) (reply, outcome string, err error) {
	reply = helpText(s.voice().Lang, r.Topic, s.role(), s.Direct)
	if r.Topic == Do && len(s.Actions) > 0 {
		list, err := e.actionList(ctx, s, alert.Key{})
		if err != nil {
			return "", "", err
		}
		reply += "\n\n" + list
	}
	return reply, "", nil
}

// helpText returns the help for somebody with this role.
func helpText(l lang.Lang, topic Verb, role config.Role, direct bool) string {
	var b strings.Builder
	if topic != "" {
		t := topic.entry()
		fmt.Fprintf(&b, "`%s` %s.\n\n%s\n", t.usage, l.Of(t.does), l.T("For example:"))
		for _, example := range t.examples {
			fmt.Fprintf(&b, "\n- `%s`", example)
		}
		if t.problems {
			b.WriteString("\n\n" + l.T("In a problem's thread you can leave out the id."))
			if topic == Ack {
				b.WriteString(l.T(" In a digest's thread, `ack all` acknowledges all of its problems, after asking you to confirm."))
			}
			if t.act != nil && !t.prose && t.object == "" && t.name != Cause {
				b.WriteString(l.T(" A colon says that your own words follow, not an id: `%s: 5 minutes more`.", topic))
			}
		}
		if !may(role, topic) {
			b.WriteString("\n\n" + l.T("It needs the role **%s**. Yours is **%s**.", t.role, role))
		}
		return b.String()
	}
	b.WriteString(l.T("What I can do for you (your role: **%s**):", role) + "\n")
	var not []string
	for _, v := range verbs {
		if !role.AtLeast(v.role) {
			not = append(not, "`"+string(v.name)+"`")
			continue
		}
		fmt.Fprintf(&b, "\n- `%s` %s", v.usage, l.Of(v.does))
	}
	if len(not) > 0 {
		b.WriteString("\n\n" + l.T("Not available to your role: %s.", strings.Join(not, ", ")))
	}
	if direct {
		b.WriteString("\n\n" + l.T("In this direct chat you see what you may see in any room."))
	} else {
		b.WriteString("\n\n" + l.T("Mention me first. In a problem's thread you can leave out the id: `ack on it`."))
	}
	b.WriteString(l.T(" For details: `help ack`."))
	return b.String()
}
