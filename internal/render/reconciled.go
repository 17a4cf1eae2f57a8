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

// GoneHeld returns the message about problems that are gone from Zabbix and that the relay doesn't close; n is 0 once that is over.
func (r *Renderer) GoneHeld(source string, n int, reason string) string {
	name := limited(source, maxLabel).String()
	text := fmt.Sprintf("✅ Zabbix **%s** no longer hides problems that the relay knows as open.", name)
	if n > 0 {
		text = fmt.Sprintf("⚠️ Zabbix **%s** doesn't show **%d** of the problems that are open here, and didn't report that they are over. They stay open: %s.\n"+
			"Check the permissions of the relay's user in Zabbix. If they really were deleted, run `alert-relay reconcile --accept-gone`.", name, n, reason)
	}
	out, _ := finish(text)
	return out
}
