package render

import (
	"fmt"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
)

// SeverityCount is how many problems have a severity.
type SeverityCount struct {
	Severity alert.Severity
	Count    int
}

// FirstFound returns the message of a relay that is new to a Zabbix: which problems were open there that the room would show, the worst
// first, and when the oldest opened.
func (r *Renderer) FirstFound(source string, room Room, counts []SeverityCount, oldest time.Time) string {
	l, total := room.Lang, 0
	var words []string
	for _, c := range counts {
		total += c.Count
		words = append(words, fmt.Sprintf("%s %d %s", emojiOf(c.Severity), c.Count, Word(l, c.Severity)))
	}
	since := ""
	if !oldest.IsZero() {
		since = l.T(", the oldest since %s", formatTime(l, oldest.In(orUTC(room.Location))))
	}
	out, _ := finish(l.N(total, "🔎 **%d** problem was open in Zabbix **%s** when this relay first asked%s", "🔎 **%d** problems were open in Zabbix **%s** when this relay first asked%s",
		limited(source, maxLabel), since) + "\n" + strings.Join(words, " · ") + "\n" +
		l.N(total, "It isn't posted: `problems` lists what is open, and changes are posted.", "They aren't posted one by one: `problems` lists what is open, and changes are posted."))
	return out
}

// goneHeld is the message about problems that are gone from Zabbix and that the relay doesn't close.
func goneHeld(l lang.Lang, t SourceTrouble, since, until string) string {
	name := limited(t.Source, maxLabel).String()
	switch ended := limited(t.Ended, maxDetail).String(); {
	case until == "":
		return l.T("⚠️ Zabbix **%s** doesn't show **%d** of the problems that are open here, and didn't report that they are over. Since %s. They stay open: %s.",
			name, t.Count, since, limited(l.Written(t.Detail), maxDetail)) + "\n" +
			l.T("Check the permissions of the relay's user in Zabbix. If they really were deleted, run `alert-relay reconcile --accept-gone`.")
	case ended != "":
		return l.T("✅ Zabbix **%s** didn't show some open problems from %s to %s: %s.", name, since, until, ended)
	default:
		return l.T("✅ Zabbix **%s** shows all open problems again. Some were missing from %s to %s.", name, since, until)
	}
}
