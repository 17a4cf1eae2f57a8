package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/zabbix"
)

// connection is what was read of a source with the relay's own token.
type connection struct {
	version  string
	err      error                     // the version couldn't be asked: nothing else was
	refused  error                     // the token is refused
	stripped bool                      // the Authorization header doesn't reach Zabbix
	denied   map[string]error          // methods that the role forbids
	features map[zabbix.Feature]string // the method that each lacks; "" for none
	failed   map[string]error          // methods that failed in another way, so that nothing is known about them
	scripts  []config.Script           // of the configuration
	blind    bool                      // Zabbix shows the user no trigger
}

func zabbixChecks(ctx context.Context, o Options, i int) []Check {
	s := o.Config.Zabbix[i]
	l := list{area: "zabbix", target: s.Name}
	transport, err := httpclient.New(zabbix.TransportOf(s, fmt.Sprintf("zabbix[%d].url", i)))
	if err != nil {
		l.failure("connection", err.Error(), "")
		return l.checks
	}
	defer transport.CloseIdleConnections()
	seen := &exchanges{next: transport, now: o.Now}
	c := connection{scripts: o.Config.Scripts}
	client := func(token, from string) *zabbix.Client {
		options := zabbix.OptionsOf(s)
		options.Token, options.TokenFrom, options.Transport, options.Timeout, options.Version = token, from, seen, o.timeout(options.Timeout), o.Version
		options.HeaderStripped = func(stripped bool) { c.stripped = stripped }
		return zabbix.New(options)
	}
	own := client(s.APIToken.Reveal(), s.APIToken.From())
	c.read(ctx, own, s.APIToken.IsSet())
	c.judge(&l, s)
	switch given := s.Name == o.AdminSource && o.AdminToken != ""; {
	case c.err != nil:
	case given:
		setupChecks(ctx, &l, s, client(o.AdminToken, ""), o.AdminToken, true, o, c.version)
	case s.APIToken.IsSet() && c.refused == nil:
		setupChecks(ctx, &l, s, own, s.APIToken.Reveal(), false, o, c.version)
	}
	if c.err == nil && s.APIToken.IsSet() {
		tokenChecks(ctx, &l, o, s.Name, own)
	}
	seen.judge(&l, "Zabbix's", "the relay refuses events that are signed more than 5 minutes off")
	return l.checks
}

// harmless are parameters with which a method changes nothing, and its right is checked all the same.
func harmless(method string) any {
	switch {
	case method == "history.get" || method == "trend.get": // without items they search tables of billions of rows
		return map[string]any{"itemids": []string{"1"}, "limit": 1}
	case strings.HasSuffix(method, ".get"):
		return map[string]any{"limit": 1}
	}
	return map[string]any{} // what it would change is missing: it refuses
}

// read asks for the version and tries every method that the relay calls.
func (c *connection) read(ctx context.Context, client *zabbix.Client, hasToken bool) {
	c.denied, c.failed = map[string]error{}, map[string]error{}
	if c.version, c.err = client.Version(ctx); c.err != nil || !hasToken {
		return
	}
	for _, method := range zabbix.Methods() {
		if method == "apiinfo.version" {
			continue
		}
		var rows json.RawMessage
		err := client.Call(ctx, method, harmless(method), &rows)
		if method == "trigger.get" {
			c.blind = string(rows) == "[]"
		}
		switch kind := zabbix.KindOf(err); {
		case kind == zabbix.NotAuthorised:
			c.refused = err
			return
		case kind == zabbix.RoleForbids:
			c.denied[method] = err
		case kind.Temporary():
			c.failed[method] = err
		}
	}
	c.features = map[zabbix.Feature]string{}
	for feature, methods := range zabbix.Features {
		for _, method := range methods {
			err := client.Call(ctx, method, harmless(method), nil)
			switch kind := zabbix.KindOf(err); {
			case kind == zabbix.RoleForbids && c.features[feature] == "":
				c.features[feature] = method
			case kind.Temporary():
				c.failed[method] = err
			}
		}
	}
}

// judgeFeatures reports on what the relay's user needs more rights for than the rest.
func (c *connection) judgeFeatures(l *list) {
	switch lacks := c.features[zabbix.Maintaining]; {
	case c.failed["maintenance.create"] != nil || c.failed["maintenance.get"] != nil:
	case lacks != "":
		l.ok("maintenances", "off: the role of the relay's user doesn't allow "+lacks+", so rooms can't start one; 'alert-relay setup zabbix --maintenance' allows it")
	default:
		l.ok("maintenances", "the role allows rooms to start them, on hosts that the user may write")
	}
}

// judgeScripts reports whether people can run the scripts of the configuration.
func (c *connection) judgeScripts(l *list, s config.Source) {
	var names []string
	for _, script := range c.scripts {
		if len(script.Sources) == 0 || slices.Contains(script.Sources, s.Name) {
			names = append(names, script.Name)
		}
	}
	switch lacks := c.features[zabbix.Scripting]; {
	case len(names) == 0 || c.failed["script.get"] != nil || c.failed["script.execute"] != nil:
	case lacks != "":
		l.failure("scripts", "the role of the relay's user forbids "+lacks+": nobody can run "+text.Some(names, 5), "'alert-relay setup zabbix --scripts' allows it")
	case !c.tokenScripts():
		l.warning("scripts", "Zabbix "+shown(c.version)+" may fail on every script that is run with an API token (6.0.14 does): nobody can run "+text.Some(names, 5), "upgrade Zabbix to 7.0 or later")
	default:
		l.ok("scripts", "the role allows running "+text.Some(names, 5))
	}
}

func (c *connection) tokenScripts() bool {
	v, err := zabbix.ParseVersion(c.version)
	return err == nil && v.TokenScripts
}

func (c *connection) judge(l *list, s config.Source) {
	if c.err != nil {
		l.failure("connection", c.err.Error()+": problems are still posted, but nobody can act from a room, and what Zabbix's messages miss isn't found",
			"check zabbix[].url, and whether Zabbix's web server answers there: docs/troubleshooting.md")
		return
	}
	l.ok("connection", "Zabbix "+shown(c.version)+" answers at "+text.RedactURL(s.URL))
	switch {
	case !s.APIToken.IsSet():
		l.warning("token", "no API token: nobody can act from a room, what Zabbix's messages miss isn't found, and details that a payload lacks stay unknown", "set api_token_file; 'alert-relay setup zabbix' makes a token")
		return
	case c.refused != nil:
		do := "make a new token for the same user, and put it into " + s.APIToken.From()
		if v, err := zabbix.ParseVersion(c.version); err == nil && v.TokenInHeader {
			do += "; if the token is good, a proxy may remove the Authorization header: docs/troubleshooting.md"
		}
		l.failure("token", "Zabbix refuses it: "+reason(c.refused), do)
		return
	case c.stripped:
		l.warning("token", "accepted, but only in the body of requests: a proxy or the web server removes the Authorization header, and Zabbix 7.2 and later read the token nowhere else",
			"Apache: CGIPassAuth On; nginx: proxy_set_header Authorization $http_authorization;")
	default:
		l.ok("token", "accepted")
	}
	if c.blind {
		l.failure("visibility", "Zabbix shows the relay's user no trigger: to the relay, all its problems are gone, and nobody can act from a room",
			"give its user group read access: alert-relay setup zabbix --host-group NAME")
	}
	good := 0
	for _, method := range zabbix.Methods() {
		switch {
		case c.denied[method] != nil && zabbix.Optional(method):
			l.warning("method "+method, "the role of the relay's user forbids it; what is lost: "+zabbix.Needs[method], "a role of an older version lacks it: run 'alert-relay setup zabbix' again, or allow it in Users → User roles")
		case c.denied[method] != nil:
			l.failure("method "+method, "the role of the relay's user forbids it; what is lost: "+zabbix.Needs[method], "allow it in Users → User roles, or run 'alert-relay setup zabbix'")
		case c.failed[method] != nil:
			l.failure("method "+method, reason(c.failed[method]), "")
		default:
			good++
		}
	}
	if good == len(zabbix.Methods()) {
		l.ok("methods", fmt.Sprintf("the role allows all %d that the relay calls", good))
	}
	c.judgeFeatures(l)
	c.judgeScripts(l, s)
}

// reason is what Zabbix said, without the method.
func reason(err error) string {
	var e *zabbix.Error
	if errors.As(err, &e) {
		return shown(e.Message)
	}
	return shown(err.Error())
}
