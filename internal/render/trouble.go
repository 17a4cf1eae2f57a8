package render

import (
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
	l, source, since := room.Lang, limited(t.Source, maxLabel).String(), formatTime(room.Lang, t.Since.In(location))
	detail := limited(t.Detail, maxDetail).String()
	until := ""
	if !t.Until.IsZero() {
		until = formatTime(l, t.Until.In(location))
	}
	var what, do string
	switch t.Kind {
	case "alerts":
		what = l.N(t.Count, "Zabbix **%[2]s** gave up on **%[1]d** message to the relay", "Zabbix **%[2]s** gave up on **%[1]d** messages to the relay", source)
		do = l.T("Reconciliation finds the problems in them. Zabbix has the errors in Reports → Action log.")
		if detail != "" {
			do = l.T("The last error: %s", detail) + "\n" + do
		}
	case "found":
		what = l.T("Messages of Zabbix **%s** don't arrive: only reconciliation found **%d** problems and recoveries", source, t.Count)
		do = l.T("They are posted late. Run `alert-relay doctor`, and look at Reports → Action log in Zabbix.")
	case "server":
		what = l.T("The server of Zabbix **%s** doesn't run: its API answers, but none of its internal items has got a value for five minutes", source)
		do = l.T("Nothing is monitored meanwhile. Start zabbix-server, and look at its log.")
	case "reconcile":
		what = l.T("The open problems of Zabbix **%s** can't be compared with the relay's", source)
		do = l.T("Problems and recoveries that its messages miss aren't found. Run `alert-relay doctor`.")
		if detail != "" {
			do = l.T("The error: %s", detail) + "\n" + do
		}
	case "gone":
		what = l.T("it didn't show **%d** of the problems that are open here", t.Count)
	default:
		what = l.T("Zabbix **%s** doesn't report everything: %s", source, detail)
		do = l.T("What happens is posted late, by reconciliation. Enable or correct it in Zabbix, or run `alert-relay setup zabbix`.")
	}
	message := l.T("⚠️ %s. Since %s.", what, since) + "\n" + do
	switch {
	case t.Kind == "gone":
		message = goneHeld(l, t, since, until)
	case until != "":
		message = l.T("✅ Over: %s. From %s to %s.", what, since, until)
	}
	if t.Removed {
		message = l.T("⚪ Zabbix **%s** is no longer configured. Until then: %s. From %s to %s.", source, what, since, formatTime(l, t.Until.In(location)))
	}
	out, _ := finish(strings.TrimSpace(message))
	return out
}
