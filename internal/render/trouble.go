package render

import (
	"fmt"
	"strings"
	"time"
)

// SourceTrouble is something that keeps a source from reporting.
type SourceTrouble struct {
	Source string
	Kind   string // alerts, media_type, action, found, server, reconcile, gone
	Since  time.Time
	Until  time.Time // zero while it goes on
	// Removed says that it ended because the source isn't configured any more.
	Removed bool
	Count   int    // of messages or problems
	Detail  string // Zabbix's own text, for alerts; what is wrong, otherwise
	Ended   string // how it ended, if that is known
}

// maxDetail bounds the detail of a source's trouble, in characters.
const maxDetail = 300

// SourceTrouble returns the message about it.
func (r *Renderer) SourceTrouble(t SourceTrouble, room Room) string {
	location := orUTC(room.Location)
	source, since := limited(t.Source, maxLabel).String(), formatTime(t.Since.In(location))
	detail := limited(t.Detail, maxDetail).String()
	until := ""
	if !t.Until.IsZero() {
		until = formatTime(t.Until.In(location))
	}
	var what, do string
	switch t.Kind {
	case "alerts":
		messages := "messages"
		if t.Count == 1 {
			messages = "message"
		}
		what = fmt.Sprintf("Zabbix **%s** gave up on **%d** %s to the relay", source, t.Count, messages)
		do = "Reconciliation finds the problems in them. Zabbix has the errors in Reports → Action log."
		if detail != "" {
			do = "The last error: " + detail + "\n" + do
		}
	case "found":
		what = fmt.Sprintf("Messages of Zabbix **%s** don't arrive: only reconciliation found **%d** problems and recoveries", source, t.Count)
		do = "They are posted late. Run `alert-relay doctor`, and look at Reports → Action log in Zabbix."
	case "server":
		what = fmt.Sprintf("The server of Zabbix **%s** doesn't run: its API answers, but none of its internal items has got a value for five minutes", source)
		do = "Nothing is monitored meanwhile. Start zabbix-server, and look at its log."
	case "reconcile":
		what = fmt.Sprintf("The open problems of Zabbix **%s** can't be compared with the relay's", source)
		do = "Problems and recoveries that its messages miss aren't found. Run `alert-relay doctor`."
		if detail != "" {
			do = "The error: " + detail + "\n" + do
		}
	case "gone":
		what = fmt.Sprintf("it didn't show **%d** of the problems that are open here", t.Count)
	default:
		what = fmt.Sprintf("Zabbix **%s** doesn't report everything: %s", source, detail)
		do = "What happens is posted late, by reconciliation. Enable or correct it in Zabbix, or run `alert-relay setup zabbix`."
	}
	message := fmt.Sprintf("⚠️ %s. Since %s.\n%s", what, since, do)
	switch {
	case t.Kind == "gone":
		message = goneHeld(t, since, until)
	case until != "":
		message = fmt.Sprintf("✅ Over: %s. From %s to %s.", what, since, until)
	}
	if t.Removed {
		message = fmt.Sprintf("⚪ Zabbix **%s** is no longer configured. Until then: %s. From %s to %s.", source, what, since, formatTime(t.Until.In(location)))
	}
	out, _ := finish(strings.TrimSpace(message))
	return out
}
