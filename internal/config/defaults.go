package config

import (
	"cmp"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/payload"
)

// DefaultWebexURL is Webex's REST API.
const DefaultWebexURL = "https://webexapis.com/v1"

// DefaultStore is the name of the store's file, beside the configuration.
const DefaultStore = "relay.db"

// defaults returns the Config of an empty file.
func defaults() *Config {
	return &Config{
		Server:    Server{Listen: ":8080", AdminListen: "127.0.0.1:9090"},
		Store:     Store{Driver: "sqlite", Path: DefaultStore},
		Webex:     Webex{APIURL: DefaultWebexURL, U2CURL: catalogOf(DefaultWebexURL), HTTP: HTTPClient{Timeout: Duration(30 * time.Second)}},
		Storm:     Storm{Threshold: 10, Window: Duration(5 * time.Second), Individual: alert.Disaster},
		Flapping:  Flapping{Count: 3, Window: Duration(15 * time.Minute)},
		Command:   Command{Expiry: Duration(time.Hour)},
		Incident:  Incident{Roles: []string{"lead", "communications", "scribe"}, ReviewAfter: Duration(5 * time.Minute), CloseAfter: Duration(time.Hour), OnClose: "keep"},
		Reconcile: Reconcile{Interval: Duration(time.Minute), MaxAge: Duration(day)},
		Retention: Retention{Journal: Duration(7 * day), Problems: Duration(30 * day), Audit: Duration(365 * day)},
		Delivery:  Delivery{Workers: 4, RateLimit: 5, Debounce: Duration(2 * time.Second), OrphanWait: Duration(2 * time.Minute)},
		TimeZone:  TimeZone{time.UTC},
		Language:  lang.English,
		Log:       Log{Level: "info", Format: "text"},
		Tracing:   Tracing{SampleRatio: 1, HTTP: HTTPClient{Timeout: Duration(10 * time.Second)}},
	}
}

// catalogOf returns the service catalog that belongs to a REST API: Webex's for Webex, else the same host, so that a simulator's or a
// gateway's token goes nowhere else.
func catalogOf(apiURL string) string {
	u, err := url.Parse(apiURL)
	switch {
	case err != nil || u.Host == "":
		return ""
	case u.Host == "webexapis.com" || u.Host == "api.ciscospark.com":
		return "https://u2c.wbx2.com"
	}
	return u.Scheme + "://" + u.Host
}

// complete fills in the defaults that depend on other keys, and normalizes addresses and paths.
func (l *loader) complete(cfg *Config) {
	cfg.Server.PublicURL = strings.TrimRight(cfg.Server.PublicURL, "/")
	cfg.Webex.APIURL = strings.TrimRight(cfg.Webex.APIURL, "/")
	if !l.given("webex.u2c_url") {
		cfg.Webex.U2CURL = catalogOf(cfg.Webex.APIURL)
	}
	cfg.Webex.U2CURL = strings.TrimRight(cfg.Webex.U2CURL, "/")
	cfg.Tracing.Endpoint = strings.TrimRight(cfg.Tracing.Endpoint, "/")
	for _, path := range []*string{
		&cfg.Store.Path,
		&cfg.Server.TLS.CertFile, &cfg.Server.TLS.KeyFile, &cfg.Server.TLS.ClientCAFile,
		&cfg.Server.AdminTLS.CertFile, &cfg.Server.AdminTLS.KeyFile, &cfg.Server.AdminTLS.ClientCAFile,
		&cfg.Webex.HTTP.CAFile, &cfg.Tracing.HTTP.CAFile, &cfg.Templates.Dir,
	} {
		*path = l.resolve(*path)
	}
	for i := range cfg.Webex.Bots {
		if b := &cfg.Webex.Bots[i]; b.Listen == "" && cfg.Server.PublicURL != "" {
			b.Listen = ListenWebhook
		} else if b.Listen == "" {
			b.Listen = ListenWebsocket
		}
	}
	for i := range cfg.Zabbix {
		s := &cfg.Zabbix[i]
		s.URL, s.LinkURL = strings.TrimRight(s.URL, "/"), strings.TrimRight(s.LinkURL, "/")
		s.HTTP.CAFile, s.CertFile, s.KeyFile = l.resolve(s.HTTP.CAFile), l.resolve(s.CertFile), l.resolve(s.KeyFile)
		if !l.given(at("zabbix", i) + ".timeout") {
			s.HTTP.Timeout = Duration(10 * time.Second)
		}
		if s.SendTo == "" {
			s.SendTo = SendToAdd
		}
	}
	for i := range cfg.Notify {
		n, path := &cfg.Notify[i], at("notify", i)
		if !l.given(path + ".max_file_mib") {
			n.MaxFileMiB = 5
		}
		if !l.given(path + ".per_minute") {
			n.PerMinute = 600
		}
	}
	for i := range cfg.Scripts {
		s := &cfg.Scripts[i]
		s.Script = cmp.Or(s.Script, s.Name)
		if s.Role == "" {
			s.Role = RoleAdmin
		}
	}
	for i := range cfg.Actions {
		a, path := &cfg.Actions[i], at("actions", i)
		a.Title, a.Method, a.ContentType = cmp.Or(a.Title, a.Name), cmp.Or(a.Method, "POST"), cmp.Or(a.ContentType, payload.DefaultType)
		a.Role, a.HTTP.CAFile = cmp.Or(a.Role, RoleOperator), l.resolve(a.HTTP.CAFile)
		if !l.given(path + ".button") {
			a.Button = true
		}
		if !l.given(path + ".timeout") {
			a.HTTP.Timeout = Duration(10 * time.Second)
		}
	}
	for i := range cfg.Heartbeats {
		h := &cfg.Heartbeats[i]
		if !l.given(at("heartbeats", i) + ".grace") {
			h.Grace = max(h.Interval/10, Duration(10*time.Second))
		}
		if len(h.Rooms) == 0 {
			h.Rooms = cfg.DefaultRooms
		}
	}
	if cfg.Canary.Interval > 0 && cfg.Canary.Room == "" && len(cfg.DefaultRooms) > 0 {
		cfg.Canary.Room = cfg.DefaultRooms[0]
	}
	l.completeDuty(cfg)
	for i := range cfg.Rooms {
		l.completeRoom(cfg, &cfg.Rooms[i], at("rooms", i))
	}
	for i := range cfg.Routes {
		r := &cfg.Routes[i]
		r.Line = l.line(at("routes", i))
		r.Templates = l.resolve(r.Templates)
		if r.Name == "" {
			r.Name = numbered + strconv.Itoa(i+1)
		}
		for j := range r.Match.When {
			w := &r.Match.When[j]
			w.TimeZone = orZone(w.TimeZone, cfg.TimeZone)
		}
		for _, step := range r.Escalate {
			for j := range step.Mention {
				step.Mention[j] = strings.ToLower(step.Mention[j])
			}
		}
	}
	for i := range cfg.People {
		p := &cfg.People[i]
		p.Email, p.Domain = strings.ToLower(p.Email), strings.ToLower(p.Domain)
	}
	for i := range cfg.AllowedDomains {
		cfg.AllowedDomains[i] = strings.ToLower(cfg.AllowedDomains[i])
	}
}

func (l *loader) completeRoom(cfg *Config, r *Room, path string) {
	if r.Bot == "" && len(cfg.Webex.Bots) > 0 {
		r.Bot = cfg.Webex.Bots[0].Name
	}
	r.TimeZone = orZone(r.TimeZone, cfg.TimeZone)
	r.Language = cmp.Or(r.Language, cfg.Language)
	if r.Presentation == "" {
		r.Presentation = PresentThread
	}
	r.Storm = inherit(l, r.Storm, cfg.Storm, path+".storm")
	r.Flapping = inherit(l, r.Flapping, cfg.Flapping, path+".flapping")
	if r.Report != nil {
		r.Report.Days = cmp.Or(r.Report.Days, "daily")
		r.Report.TimeZone = orZone(r.Report.TimeZone, r.TimeZone)
	}
	if q := r.Quiet; q != nil {
		if !l.given(path + ".quiet.below") {
			q.Below = alert.Disaster
		}
		for i := range q.When {
			q.When[i].TimeZone = orZone(q.When[i].TimeZone, r.TimeZone)
		}
	}
}

// inherit returns a room's own section, with the keys that the file leaves out from the section of all rooms.
func inherit[T any](l *loader, own *T, all T, path string) *T {
	if own == nil {
		return &all
	}
	inherited := fieldsOf(reflect.ValueOf(all))
	for key, f := range fieldsOf(reflect.ValueOf(own).Elem()) {
		if !l.given(join(path, key)) {
			f.value.Set(inherited[key].value)
		}
	}
	return own
}

func orZone(z, fallback TimeZone) TimeZone {
	if z.Location == nil {
		return fallback
	}
	return z
}

// numbered begins the name of a route that the configuration doesn't name. Its position follows.
const numbered = "route "

// Numbered reports whether a route is known by its position alone: after a reload the name may be another route's.
func Numbered(route string) bool {
	position, ok := strings.CutPrefix(route, numbered)
	_, err := strconv.ParseUint(position, 10, 64)
	return ok && err == nil
}
