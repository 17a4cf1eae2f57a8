package render

import (
	"cmp"
	"strings"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
)

// describe sets a problem's emoji, status and title.
func (b *builder) describe(v *View) {
	l := b.lang
	v.Title = cmp.Or(v.Name, v.Trigger, v.Service)
	switch b.p.Origin {
	case alert.OriginInternal:
		b.describeInternal(v)
	case alert.OriginDiscovery:
		b.describeDiscovery(v)
	case alert.OriginAutoregistration:
		b.describeAutoregistration(v)
	case alert.OriginService:
		v.Title = cmp.Or(v.Service, v.Name) // the name has the first status in it
		v.Emoji, v.Status = emojiOf(v.Severity), l.T("%s service problem", wordOf(l, v.Severity))
	default:
		v.Emoji, v.Status = emojiOf(v.Severity), l.T("%s problem", wordOf(l, v.Severity))
		if !v.HasSeverity {
			v.Emoji, v.Status = "❔", l.T("problem")
		}
	}
	switch {
	case v.Title != "":
	case b.p.Origin == alert.OriginDiscovery || b.p.Origin == alert.OriginAutoregistration:
		v.Title = Text(l.T("event %s", string(v.ID)))
	default:
		v.Title = Text(l.T("problem %s", string(v.ID)))
	}
	b.describeState(v)
}

func OriginWord(l lang.Lang, o alert.Origin) string {
	switch o {
	case alert.OriginService:
		return l.T("service")
	case alert.OriginInternal:
		return l.T("internal")
	case alert.OriginDiscovery:
		return l.T("discovery")
	case alert.OriginAutoregistration:
		return l.T("autoregistration")
	}
	return string(o)
}

func (b *builder) describeState(v *View) {
	l := b.lang
	switch {
	case v.Gone && !v.Open:
		v.Emoji, v.Status = "☑️", l.T("gone from Zabbix, considered resolved")
	case v.Resolved:
		v.Emoji, v.Status = "✅", l.T("resolved")
	default:
		if v.Acknowledged {
			v.Status += l.T(", acknowledged")
		}
		if v.Suppressed {
			v.Status += l.T(", suppressed")
		}
		if v.Gone {
			v.Status += l.T(", gone from Zabbix")
		}
		return
	}
	if v.HasSeverity {
		v.Status += " · " + wordOf(l, v.Severity)
	} else if v.Origin != Text(alert.OriginTrigger) {
		v.Status += " · " + OriginWord(l, b.p.Origin)
	}
}

// describeInternal describes an item, trigger or discovery rule that Zabbix can't process. Object is Zabbix's number: 0 is a
// trigger, 4 an item, 5 a discovery rule.
func (b *builder) describeInternal(v *View) {
	l := b.lang
	object, status, name := l.T("item"), l.T("internal · item in trouble"), v.Item
	switch b.p.Object {
	case "0":
		object, status, name = l.T("trigger"), l.T("internal · trigger in unknown state"), v.Trigger
	case "4":
		status = l.T("internal · item not supported")
	case "5":
		object, status = l.T("discovery rule"), l.T("internal · discovery rule not supported")
		name = cmp.Or(limited(b.p.Macros["lldrule.name"], b.limit(maxName)), v.Item)
	}
	v.Emoji, v.Status = "⚙️", status
	if v.Title == "" {
		v.Title = name
	} else if name != "" && name != v.Title {
		v.Subject = capital(Text(object)) + ": " + name
	}
}

// describeDiscovery describes a discovered host or service. Zabbix sends the same macros for "discovered" and "up", and for
// "lost" and "down".
func (b *builder) describeDiscovery(v *View) {
	l := b.lang
	macro := func(name string) Text { return limited(b.p.Macros[name], b.limit(maxHost)) }
	v.Emoji, v.Status = "🔎", l.T("discovery")
	device := cmp.Or(macro("discovery.device.dns"), macro("discovery.device.ipaddress"))
	if len(v.Hosts) > 0 {
		device = cmp.Or(device, v.Hosts[0])
		if v.Hosts[0] == device {
			v.Hosts = nil // the title names it
		}
	}
	status, subject := macro("discovery.device.status"), device
	if service := macro("discovery.service.name"); service != "" {
		status, subject = macro("discovery.service.status"), service
		if port := macro("discovery.service.port"); port != "" {
			subject += Text(l.T(" port %s", string(port)))
		}
		if device != "" {
			subject += Text(l.T(" on %s", string(device)))
		}
	}
	if subject != "" {
		v.Title = subject
		if status != "" {
			v.Title = Text(l.T("%s is %s", string(v.Title), discoveryWord(l, string(status))))
		}
	}
	if rule := macro("discovery.rule.name"); rule != "" {
		v.Subject = Text(l.T("Rule: %s", string(rule)))
	}
}

// discoveryWord is Zabbix's status of a discovered host or service.
func discoveryWord(l lang.Lang, status string) string {
	switch status = strings.ToLower(status); status {
	case "up":
		return l.T("up")
	case "down":
		return l.T("down")
	case "discovered":
		return l.T("discovered")
	case "lost":
		return l.T("lost")
	}
	return status
}

func (b *builder) describeAutoregistration(v *View) {
	v.Emoji, v.Status = "🆕", b.lang.T("autoregistration")
	if len(b.p.Hosts) > 0 {
		h := b.p.Hosts[0]
		v.Title = cmp.Or(limited(h.Label(), b.limit(maxHost)), v.Title)
		v.Hosts = nil
		if ip := limited(h.IP, b.limit(maxHost)); ip != "" {
			v.Subject = ip
			if port := limited(b.p.Macros["host.port"], maxLabel); port != "" {
				v.Subject += Text(b.lang.T(" port %s", string(port)))
			}
		}
	}
}
