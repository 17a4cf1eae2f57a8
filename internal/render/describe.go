package render

import (
	"cmp"
	"strings"

	"nms-alert-relay/internal/alert"
)

// describe sets a problem's emoji, status and title.
func (b *builder) describe(v *View) {
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
		v.Emoji, v.Status = emojiOf(v.Severity), wordOf(v.Severity)+" service problem"
	default:
		v.Emoji, v.Status = emojiOf(v.Severity), wordOf(v.Severity)+" problem"
		if !v.HasSeverity {
			v.Emoji, v.Status = "❔", "problem"
		}
	}
	switch {
	case v.Title != "":
	case b.p.Origin == alert.OriginDiscovery || b.p.Origin == alert.OriginAutoregistration:
		v.Title = "event " + v.ID
	default:
		v.Title = "problem " + v.ID
	}
	b.describeState(v)
}

func (b *builder) describeState(v *View) {
	switch {
	case v.Gone && !v.Open:
		v.Emoji, v.Status = "☑️", "gone from Zabbix, considered resolved"
	case v.Resolved:
		v.Emoji, v.Status = "✅", "resolved"
	default:
		if v.Acknowledged {
			v.Status += ", acknowledged"
		}
		if v.Suppressed {
			v.Status += ", suppressed"
		}
		if v.Gone {
			v.Status += ", gone from Zabbix"
		}
		return
	}
	if v.HasSeverity {
		v.Status += " · " + wordOf(v.Severity)
	} else if v.Origin != Text(alert.OriginTrigger) {
		v.Status += " · " + string(v.Origin)
	}
}

// describeInternal describes an item, trigger or discovery rule that Zabbix can't process. Object is Zabbix's number: 0 is a
// trigger, 4 an item, 5 a discovery rule.
func (b *builder) describeInternal(v *View) {
	object, name := "item", v.Item
	switch b.p.Object {
	case "0":
		object, name = "trigger", v.Trigger
	case "5":
		object, name = "discovery rule", cmp.Or(limited(b.p.Macros["lldrule.name"], b.limit(maxName)), v.Item)
	}
	state := " in trouble"
	switch b.p.Object {
	case "0":
		state = " in unknown state"
	case "4", "5":
		state = " not supported"
	}
	v.Emoji, v.Status = "⚙️", "internal · "+object+state
	if v.Title == "" {
		v.Title = name
	} else if name != "" && name != v.Title {
		v.Subject = Text(strings.ToUpper(object[:1])+object[1:]+": ") + name
	}
}

// describeDiscovery describes a discovered host or service. Zabbix sends the same macros for "discovered" and "up", and for
// "lost" and "down".
func (b *builder) describeDiscovery(v *View) {
	macro := func(name string) Text { return limited(b.p.Macros[name], b.limit(maxHost)) }
	v.Emoji, v.Status = "🔎", "discovery"
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
			subject += " port " + port
		}
		if device != "" {
			subject += " on " + device
		}
	}
	if subject != "" {
		v.Title = subject
		if status != "" {
			v.Title += " is " + Text(strings.ToLower(string(status)))
		}
	}
	if rule := macro("discovery.rule.name"); rule != "" {
		v.Subject = "Rule: " + rule
	}
}

func (b *builder) describeAutoregistration(v *View) {
	v.Emoji, v.Status = "🆕", "autoregistration"
	if len(b.p.Hosts) > 0 {
		h := b.p.Hosts[0]
		v.Title = cmp.Or(limited(h.Label(), b.limit(maxHost)), v.Title)
		v.Hosts = nil
		if ip := limited(h.IP, b.limit(maxHost)); ip != "" {
			v.Subject = ip
			if port := limited(b.p.Macros["host.port"], maxLabel); port != "" {
				v.Subject += " port " + port
			}
		}
	}
}
