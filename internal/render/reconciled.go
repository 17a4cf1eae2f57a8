package render

import (
	"fmt"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
)

// SeverityCount is how many problems have a severity.
type SeverityCount struct {
	Severity alert.Severity
	Count    int
}

// FirstFound returns the message of a relay that is new to a Zabbix: which problems were open there that the room would show, the worst
// first, and when the oldest opened.
func (r *Renderer) FirstFound(source string, room Room, counts []SeverityCount, oldest time.Time) string {
	total := 0
	var words []string
	for _, c := range counts {
		total += c.Count
		words = append(words, fmt.Sprintf("%s %d %s", emojiOf(c.Severity), c.Count, c.Severity))
	}
	were, posted := "problems were", "They aren't posted one by one"
	if total == 1 {
		were, posted = "problem was", "It isn't posted"
	}
	since := ""
	if !oldest.IsZero() {
		since = ", the oldest since " + formatTime(oldest.In(orUTC(room.Location)))
	}
	out, _ := finish(fmt.Sprintf("🔎 **%d** %s open in Zabbix **%s** when this relay first asked%s\n%s\n%s: `problems` lists what is open, and changes are posted.",
		total, were, limited(source, maxLabel), since, strings.Join(words, " · "), posted))
	return out
}

// goneHeld is the message about problems that are gone from Zabbix and that the relay doesn't close.
func goneHeld(t SourceTrouble, since, until string) string {
	name := limited(t.Source, maxLabel).String()
	switch ended := limited(t.Ended, maxDetail).String(); {
	case until == "":
		return fmt.Sprintf("⚠️ Zabbix **%s** doesn't show **%d** of the problems that are open here, and didn't report that they are over. Since %s. They stay open: %s.\n"+
			"Check the permissions of the relay's user in Zabbix. If they really were deleted, run `alert-relay reconcile --accept-gone`.",
			name, t.Count, since, limited(t.Detail, maxDetail))
	case ended != "":
		return fmt.Sprintf("✅ Zabbix **%s** didn't show some open problems from %s to %s: %s.", name, since, until, ended)
	default:
		return fmt.Sprintf("✅ Zabbix **%s** shows all open problems again. Some were missing from %s to %s.", name, since, until)
	}
}
