package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webexid"
)

// minSecret is the length below which a signing secret is worth a warning.
const minSecret = 16

// check looks at what no field can tell by itself: references, doubles,
// contradictions, and the files that the configuration points to.
func (l *loader) check(cfg *Config) {
	l.checkServer(cfg)
	l.checkWebex(cfg)
	l.checkZabbix(cfg)
	l.checkRooms(cfg)
	l.checkRoutes(cfg)
	l.checkPeople(cfg)
	l.checkNotify(cfg)
	l.directory("templates.dir", cfg.Templates.Dir)
	l.checkUnread()
}

func (l *loader) checkServer(cfg *Config) {
	s := cfg.Server
	l.checkAdmin(s)
	if s.TLS.CertFile != "" && s.TLS.KeyFile != "" {
		cert, _, ok1 := l.read("server.tls.cert_file", s.TLS.CertFile)
		key, _, ok2 := l.read("server.tls.key_file", s.TLS.KeyFile)
		if ok1 && ok2 {
			if _, err := tls.X509KeyPair(cert, key); err != nil {
				l.fault("server.tls.cert_file", "certificate and key can't be used: "+err.Error(), "PEM: the certificate with its chain, and the key that belongs to it")
			}
		}
	}
	if cfg.Store.Path == "" {
		l.fault("store.path", "is empty", "a file, such as /var/lib/alert-relay/relay.db")
	}
}

// checkAdmin looks at the admin listener, which asks for no password.
func (l *loader) checkAdmin(s Server) {
	host, port, err := net.SplitHostPort(s.Listen)
	adminHost, adminPort, adminErr := net.SplitHostPort(s.AdminListen)
	if err != nil || adminErr != nil {
		return // faults already
	}
	if port == adminPort && port != "0" && (host == adminHost || everyInterface(host) || everyInterface(adminHost)) {
		l.fault("server.admin_listen", "port "+port+" is server.listen's already", "metrics and the admin API must not be public: give it a port of its own")
		return
	}
	if adminHost == "" {
		l.warn("server.admin_listen", s.AdminListen+" is open on every interface, and asks for no password",
			"127.0.0.1:"+adminPort+" for this machine alone; 0.0.0.0:"+adminPort+" if every interface is meant")
	}
}

func everyInterface(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// unread are keys that nothing reads in this version.
var unread = []string{"webex.u2c_url", "reconcile.max_age"}

// checkUnread warns about keys that have no effect: somebody who sets one expects it to work.
func (l *loader) checkUnread() {
	for _, key := range unread {
		if l.given(key) && !l.faulted(key) {
			l.warn(key, "has no effect: nothing reads it in this version", "leave it out")
		}
	}
}

func (l *loader) checkWebex(cfg *Config) {
	l.authority("webex.ca_file", cfg.Webex.HTTP.CAFile)
	l.clearText("webex.api_url", cfg.Webex.APIURL)
	names, tokens := doubles{}, doubles{}
	for i, b := range cfg.Webex.Bots {
		path := at("webex.bots", i)
		l.unique(names, path+".name", strings.ToLower(b.Name), "duplicate of")
		if b.Token.IsSet() {
			l.unique(tokens, path+".token_file", b.Token.Reveal(), "same token as")
		}
		if b.Listen == ListenWebsocket {
			l.fault(path+".listen", "websocket doesn't work in this version: the bot would hear nothing",
				"webhook, with server.public_url; or off, for a bot that only writes")
		}
		if b.Listen == ListenWebhook && cfg.Server.PublicURL == "" && !l.faulted("server.public_url") {
			l.fault(path+".listen", "a webhook needs server.public_url", "the https:// address at which Webex reaches server.listen")
		}
	}
}

func (l *loader) checkZabbix(cfg *Config) {
	if len(cfg.Zabbix) == 0 && len(cfg.Notify) == 0 && !l.faulted("zabbix") {
		l.fault("zabbix", "is missing", "at least one source, or a notify sender")
	}
	names, urls := doubles{}, doubles{}
	for i, s := range cfg.Zabbix {
		path := at("zabbix", i)
		l.unique(names, path+".name", strings.ToLower(s.Name), "duplicate of")
		l.authority(path+".ca_file", s.HTTP.CAFile)
		if s.URL != "" && urls[s.URL] != "" && !l.faulted(path+".url") {
			l.warn(path+".url", "is that of "+urls[s.URL]+" too", "one Zabbix under two names is told twice")
		}
		urls[s.URL] = at("zabbix", i)
		if strings.HasSuffix(s.URL, ".php") && !l.faulted(path+".url") {
			l.fault(path+".url", fmt.Sprintf("%q is a page", s.URL), "the frontend's base URL, "+s.URL[:strings.LastIndex(s.URL, "/")])
		}
		if !s.APIToken.IsSet() {
			if ref := l.refs[path+".api_token"]; len(ref.files)+len(ref.envs) == 0 {
				l.warn(path+".api_token", "isn't given: nobody can acknowledge from a room, and what a payload can't say stays unknown",
					"api_token_file, api_token_env or "+convention("zabbix", s.Name, "api_token"))
			}
		} else {
			l.clearText(path+".url", s.URL)
		}
		for j, secret := range s.Secrets {
			if wrong, hint := SigningSecret(secret.Reveal()); wrong != "" {
				l.fault(path+".secret_file", fmt.Sprintf("secret %d (%s) %s", j+1, secret.From(), wrong), hint)
			} else if len(secret.Reveal()) < minSecret {
				l.warn(path+".secret_file", fmt.Sprintf("secret %d is short", j+1), fmt.Sprintf("at least %d characters: openssl rand -hex 32", minSecret))
			}
		}
	}
}

func (l *loader) checkRooms(cfg *Config) {
	names, ids := doubles{}, doubles{}
	bots := make([]string, 0, len(cfg.Webex.Bots))
	for _, b := range cfg.Webex.Bots {
		bots = append(bots, b.Name)
	}
	for i, r := range cfg.Rooms {
		path := at("rooms", i)
		l.unique(names, path+".name", strings.ToLower(r.Name), "duplicate of")
		if strings.EqualFold(r.Name, SendToRoutes) {
			l.fault(path+".name", fmt.Sprintf("%q is reserved", r.Name), `as "Send to" in Zabbix it leaves it to the routes`)
		}
		cfg.Rooms[i].ID = l.checkRoomID(path+".id", r.ID)
		l.unique(ids, path+".id", webexid.Key(r.ID), "same room as")
		if l.given(path + ".bot") {
			l.exists(path+".bot", r.Bot, "bot", bots)
		}
		l.checkQuiet(path+".quiet", r.Quiet)
	}
	l.roomsExist(cfg, "default_rooms", cfg.DefaultRooms)
}

// checkRoomID looks at the form of a room's id and gives the id to use in calls. A link isn't
// one that Webex takes; a bare UUID is, and stays, for it doesn't tell the room's cluster.
func (l *loader) checkRoomID(path, text string) string {
	if text == "" || l.faulted(path) {
		return text
	}
	id, ok := webexid.Parse(text)
	const list = "alert-relay rooms lists the rooms that a bot is in, with their ids"
	switch {
	case !ok:
		l.warn(path, fmt.Sprintf("%q isn't an id of Webex's REST API", text), list)
	case id.Kind != "" && id.Kind != webexid.Room:
		l.fault(path, fmt.Sprintf("%q is an id of the kind %s, not of a room", text, strings.ToLower(id.Kind)), list)
	case !id.IsREST:
		l.warn(path, fmt.Sprintf("%q isn't an id of Webex's REST API", text), "write "+id.REST(webexid.Room)+", or what alert-relay rooms lists")
		if id.Kind != "" && id.Cluster == "" {
			return id.UUID
		}
		if id.Cluster != "" {
			return id.REST(webexid.Room)
		}
	}
	return text
}

func (l *loader) checkRoutes(cfg *Config) {
	sources := make([]string, 0, len(cfg.Zabbix))
	for _, s := range cfg.Zabbix {
		sources = append(sources, s.Name)
	}
	names := doubles{}
	all := -1 // the first route that matches everything and ends the list
	for i, r := range cfg.Routes {
		path := at("routes", i)
		l.unique(names, path+".name", strings.ToLower(r.Name), "duplicate of")
		if reserved(r.Name) {
			l.fault(path+".name", fmt.Sprintf("%q is the relay's own", r.Name), "another name")
		}
		l.roomsExist(cfg, path+".rooms", r.Rooms)
		for j, s := range r.Match.Sources {
			l.exists(at(path+".match.sources", j), s, "source", sources)
		}
		l.directory(path+".templates", r.Templates)
		l.checkEscalation(cfg, path, r)
		if all >= 0 {
			l.warn(path, fmt.Sprintf("is never asked: %s above matches everything", cfg.Routes[all].Name), "move it up, or say continue: true there")
		} else if !r.Continue && r.Match.empty() {
			all = i
		}
	}
}

// reserved are the names that Target.Route and explanations use themselves.
func reserved(name string) bool {
	return strings.EqualFold(name, "send_to") || strings.EqualFold(name, "default_rooms")
}

// empty says whether a match asks for nothing.
func (m Match) empty() bool {
	return len(m.Sources) == 0 && len(m.Hosts) == 0 && len(m.Groups) == 0 && len(m.Severity.Set) == 0 &&
		len(m.Tags) == 0 && m.Trigger == "" && len(m.Origins) == 0 && len(m.When) == 0
}

func (l *loader) checkPeople(cfg *Config) {
	everywhere := doubles{}
	for i, p := range cfg.People {
		path := at("people", i)
		switch {
		case p.Email == "" && p.Domain == "" && !l.faulted(path+".email") && !l.faulted(path+".domain"):
			l.fault(path, "names nobody", "email: for a person, domain: for everybody of one")
		case p.Email != "" && p.Domain != "":
			l.fault(path, "has both email and domain", "one entry each")
		}
		l.roomsExist(cfg, path+".rooms", p.Rooms)
		if who := p.Email + p.Domain; len(p.Rooms) == 0 && who != "" {
			l.unique(everywhere, path, who, "duplicate of")
		}
		if domain := domainOf(p); domain != "" && len(cfg.AllowedDomains) > 0 && !cfg.allowedDomain(domain) {
			l.fault(path, fmt.Sprintf("%s isn't in allowed_domains: the relay wouldn't listen", domain), "add it to allowed_domains")
		}
	}
	if len(cfg.People) == 0 {
		l.warn("people", "isn't given: nobody can acknowledge from a room", "people: [{domain: example.com, role: operator}]")
	}
}

func (l *loader) checkNotify(cfg *Config) {
	names, tokens := doubles{}, doubles{}
	for i, n := range cfg.Notify {
		path := at("notify", i)
		l.unique(names, path+".name", strings.ToLower(n.Name), "duplicate of")
		if n.Token.IsSet() {
			l.unique(tokens, path+".token_file", n.Token.Reveal(), "same token as")
			if len(n.Token.Reveal()) < minSecret {
				l.warn(path+".token_file", "the token is short", fmt.Sprintf("at least %d characters: openssl rand -hex 32", minSecret))
			}
		}
		l.roomsExist(cfg, path+".rooms", n.Rooms)
		if len(n.Rooms) == 0 && !n.Persons && !l.faulted(path+".rooms") {
			l.fault(path, "may write to nobody", "rooms: [noc], or persons: true")
		}
	}
}

// doubles remembers where a value was first used.
type doubles map[string]string

// unique reports a value that was used before, without the value: it may be a secret. relation is
// what it is to the first: "duplicate of".
func (l *loader) unique(seen doubles, path, value, relation string) {
	if value == "" || l.faulted(path) {
		return
	}
	first, twice := seen[value]
	if !twice {
		seen[value] = path
		return
	}
	l.fault(path, relation+" "+first, fmt.Sprintf("line %d", l.line(first)))
}

// exists reports a name that isn't one of those configured.
func (l *loader) exists(path, name, what string, names []string) {
	for _, n := range names {
		if n == name {
			return
		}
	}
	if l.faulted(path) {
		return
	}
	hint := text.DidYouMean(name, names)
	if hint == "" && len(names) > 0 {
		hint = "known: " + strings.Join(names, ", ")
	}
	l.fault(path, fmt.Sprintf("no %s is called %q", what, name), hint)
}

func (l *loader) roomsExist(cfg *Config, path string, rooms []string) {
	names := make([]string, 0, len(cfg.Rooms))
	for _, r := range cfg.Rooms {
		names = append(names, r.Name)
	}
	if len(names) == 0 {
		return // that is the fault
	}
	seen := doubles{}
	for i, room := range rooms {
		l.exists(at(path, i), room, "room", names)
		l.unique(seen, at(path, i), room, "duplicate of")
	}
}

// authority checks a file of certificate authorities.
func (l *loader) authority(path, name string) {
	if name == "" {
		return
	}
	if data, _, ok := l.read(path, name); ok && !x509.NewCertPool().AppendCertsFromPEM(data) {
		l.fault(path, name+" holds no certificate", "PEM: -----BEGIN CERTIFICATE-----")
	}
}

// directory checks a directory of templates.
func (l *loader) directory(path, name string) {
	if name == "" {
		return
	}
	info, err := os.Stat(name)
	if err != nil {
		l.absent(path, "can't read "+name+": "+cause(err), "")
	} else if !info.IsDir() {
		l.fault(path, name+" isn't a directory", "")
	}
}

// clearText warns of a token that goes over the network in the clear.
func (l *loader) clearText(path, address string) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" {
		return
	}
	host := u.Hostname()
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return
	}
	l.warn(path, "sends its token in the clear", "https://")
}
