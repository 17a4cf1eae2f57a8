package doctor

import (
	"context"
	"fmt"

	"nms-alert-relay/internal/config"
)

// configurationChecks lists every fault and warning of the configuration.
func configurationChecks(_ context.Context, o Options) []Check {
	l := list{area: "configuration"}
	add := func(v Verdict, f config.Fault) {
		name := f.Key
		if name == "" {
			name = "file"
		}
		where := f.File
		if f.Line > 0 {
			where = fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		l.add(v, name, where+": "+f.What, f.Hint)
	}
	for _, f := range o.Faults {
		add(Failure, f)
	}
	if o.Config == nil {
		l.warning("neighbours", "Webex and Zabbix aren't checked: the configuration is faulty", "correct the faults above; a running relay keeps its old configuration")
		return l.checks
	}
	for _, f := range o.Config.Warnings {
		add(Warning, f)
	}
	if len(l.checks) == 0 {
		c := o.Config
		l.ok("file", fmt.Sprintf("%s has no faults: sources %d, bots %d, rooms %d, routes %d", c.File, len(c.Zabbix), len(c.Webex.Bots), len(c.Rooms), len(c.Routes)))
	}
	return l.checks
}
