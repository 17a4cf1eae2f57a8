package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"nms-alert-relay/internal/seal"
	"nms-alert-relay/internal/text"
)

// minSecret is the length below which a signing secret is worth a warning.
const minSecret = 16

// check validates across fields: references, duplicates, contradictions, and the files that the configuration refers to.
func (l *loader) check(cfg *Config) {
	l.checkServer(cfg)
	l.checkWebex(cfg)
	l.checkZabbix(cfg)
	l.checkRooms(cfg)
	l.checkDuty(cfg)
	l.checkRoutes(cfg)
	l.checkPeople(cfg)
	l.checkNotify(cfg)
	l.checkScripts(cfg)
	l.checkActions(cfg)
	l.checkHeartbeats(cfg)
	l.checkCanary(cfg)
	l.checkIncident(cfg.Incident)
	l.checkEncryption(cfg.Encryption)
	l.directory("templates.dir", cfg.Templates.Dir)
}

func (l *loader) checkServer(cfg *Config) {
	s := cfg.Server
	l.checkAdmin(s)
	l.checkTLS("server.tls", &cfg.Server.TLS)
	l.checkTLS("server.admin_tls", &cfg.Server.AdminTLS)
	if cfg.Store.Path == "" {
		l.fault("store.path", "is empty", "a file, such as /var/lib/alert-relay/relay.db")
	}
}

// checkTLS checks the files of a listener's TLS and keeps their contents: what is checked is what is used.
func (l *loader) checkTLS(path string, t *TLS) {
	if pem := l.authority(path+".client_ca_file", t.ClientCAFile); pem != nil {
		t.ClientCAs = x509.NewCertPool()
		t.ClientCAs.AppendCertsFromPEM(pem) // checked by authority
	}
	t.Certificate = l.keyPair(path, t.CertFile, t.KeyFile)
}

// keyPair checks a certificate and its key, and returns them; nil for none or faulty ones.
func (l *loader) keyPair(path, certFile, keyFile string) *tls.Certificate {
	if certFile == "" || keyFile == "" {
		return nil
	}
	cert, _, ok1 := l.read(path+".cert_file", certFile)
	key, _, ok2 := l.read(path+".key_file", keyFile)
	if !ok1 || !ok2 {
		return nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		l.fault(path+".cert_file", "cannot use certificate and key: "+err.Error(), "PEM: the certificate with its chain, and its key")
		return nil
	}
	return &pair
}

// checkEncryption checks the keys.
func (l *loader) checkEncryption(e Encryption) {
	known := map[string]int{}
	for i, s := range e.Keys {
		key, err := seal.ParseKey(s.Reveal())
		before, twice := known[key.ID]
		switch {
		case err != nil:
			l.fault(l.secretKey("encryption.keys", i), fmt.Sprintf("key %d (%s) %s", i+1, s.From(), err), "openssl rand -base64 32 makes one")
		case twice:
			l.warn(l.secretKey("encryption.keys", i), fmt.Sprintf("key %d (%s) is the same as key %d", i+1, s.From(), before+1), "remove it")
		}
		known[key.ID] = i
	}
}

// checkAdmin checks who may use the admin listener.
func (l *loader) checkAdmin(s Server) {
	host, port, err := net.SplitHostPort(s.Listen)
	adminHost, adminPort, adminErr := net.SplitHostPort(s.AdminListen)
	if err != nil || adminErr != nil {
		return // reported by rules
	}
	if port == adminPort && port != "0" && (host == adminHost || everyInterface(host) || everyInterface(adminHost)) {
		l.fault("server.admin_listen", "port "+port+" is already used by server.listen", "metrics and the admin API must not be public: use another port")
		return
	}
	for i, token := range s.AdminTokens {
		l.checkLength("server.admin_token_file", "token", i, token)
	}
	open := !text.Loopback(adminHost) && len(s.AdminTokens) == 0 && len(l.refs["server.admin_token"]) == 0 && s.AdminTLS.ClientCAFile == ""
	switch {
	case open && !s.AdminInsecure:
		l.fault("server.admin_listen", s.AdminListen+" isn't loopback, and everybody who reaches it could read payloads and drop messages",
			"127.0.0.1:"+adminPort+", or set admin_token_file ($CREDENTIALS_DIRECTORY/admin-token for a systemd credential), admin_token_env, "+
				"or client_ca_file in admin_tls; admin_insecure: true if a firewall protects it")
	case !open && s.AdminInsecure:
		l.warn("server.admin_insecure", "has no effect: the listener is on loopback, or requires a token or a client certificate", "remove it")
	}
}

func everyInterface(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

func (l *loader) checkWebex(cfg *Config) {
	cfg.Webex.HTTP.CA = l.authority("webex.ca_file", cfg.Webex.HTTP.CAFile)
	cfg.Tracing.HTTP.CA = l.authority("tracing.ca_file", cfg.Tracing.HTTP.CAFile)
	l.clearText("webex.api_url", cfg.Webex.APIURL)
	if l.given("webex.u2c_url") {
		l.clearText("webex.u2c_url", cfg.Webex.U2CURL)
	}
	names, tokens := uses{}, uses{}
	for i, b := range cfg.Webex.Bots {
		path := at("webex.bots", i)
		l.uniqueName(names, path+".name", b.Name, "bot")
		l.unique(tokens, l.secretKey(path+".token", 0), b.Token.Reveal(), "token")
		if b.Listen == ListenWebhook && cfg.Server.PublicURL == "" && !l.faulted("server.public_url") {
			l.fault(path+".listen", "webhook requires server.public_url", "the https:// address at which Webex reaches server.listen; or use websocket, which needs none")
		}
	}
}

func (l *loader) checkZabbix(cfg *Config) {
	if len(cfg.Zabbix) == 0 && len(cfg.Notify) == 0 && !l.faulted("zabbix") {
		l.fault("zabbix", "is missing", "at least one source, or a notify sender")
	}
	names, urls := uses{}, map[string]string{}
	for i, s := range cfg.Zabbix {
		path := at("zabbix", i)
		l.uniqueName(names, path+".name", s.Name, "source")
		cfg.Zabbix[i].HTTP.CA = l.authority(path+".ca_file", s.HTTP.CAFile)
		cfg.Zabbix[i].Certificate = l.keyPair(path, s.CertFile, s.KeyFile)
		l.checkBehind(path, s)
		if s.URL != "" && urls[s.URL] != "" && !l.faulted(path+".url") {
			l.warn(path+".url", "same URL as "+urls[s.URL], "one Zabbix under two names is posted twice")
		}
		urls[s.URL] = at("zabbix", i)
		if strings.HasSuffix(s.URL, ".php") && !l.faulted(path+".url") {
			l.fault(path+".url", fmt.Sprintf("%q is a page, not the frontend's base URL", s.URL), "use "+s.URL[:strings.LastIndex(s.URL, "/")])
		}
		if !s.APIToken.IsSet() {
			if len(l.refs[path+".api_token"]) == 0 {
				l.warn(path+".api_token", "not set: nobody can acknowledge from a room, what Zabbix's messages miss isn't found, and details that a payload lacks stay unknown",
					"api_token_file, api_token_env or "+convention("zabbix", s.Name, "api_token"))
			}
		} else {
			l.clearText(path+".url", s.URL)
		}
		for j, secret := range s.Secrets {
			if wrong, hint := SigningSecret(secret.Reveal()); wrong != "" {
				l.fault(path+".secret_file", fmt.Sprintf("secret %d (%s) %s", j+1, secret.From(), wrong), hint)
			} else {
				l.checkLength(path+".secret_file", "secret", j, secret)
			}
		}
	}
}

// checkBehind checks what a web server or proxy before a Zabbix wants.
func (l *loader) checkBehind(path string, s Source) {
	l.checkCredentials(path, s.BasicAuth, s.Headers)
	https := strings.HasPrefix(strings.ToLower(s.URL), "https://")
	switch {
	case https || l.faulted(path+".url"):
	case s.CertFile != "":
		l.warn(path+".cert_file", "has no effect with an http:// URL", "use https://")
	}
	if !s.APIToken.IsSet() && (s.BasicAuth.Username != "" || len(s.Headers) > 0 || s.CertFile != "") && len(l.refs[path+".api_token"]) == 0 {
		l.warn(path, "headers, basic_auth and cert_file have no effect without an API token: the relay makes no calls", "set api_token_file")
	}
}

// checkCredentials checks a user and headers.
func (l *loader) checkCredentials(path string, user BasicAuth, headers []Header) {
	if user.Username == "" && len(l.refs[path+".basic_auth.password"]) > 0 && !l.faultedBelow(path+".basic_auth") {
		l.fault(path+".basic_auth.username", "is missing", "username and password_file go together")
	}
	names := uses{}
	for j, h := range headers {
		key := at(path+".headers", j)
		l.uniqueName(names, key+".name", h.Name, "header")
		secret := len(l.refs[key+".value"]) > 0
		switch {
		case l.faultedBelow(key):
		case h.Value != "" && secret:
			l.fault(key+".value", "is set more than once", "use value, value_file or value_env")
		case h.Value == "" && !secret:
			l.fault(key+".value", "is missing", "value, or value_file or value_env for a secret")
		case !httpguts.ValidHeaderFieldValue(h.Secret.Reveal()):
			l.fault(l.secretKey(key+".value", 0), "contains characters that a header can't have", "one line of text")
		}
	}
}

func (l *loader) checkPeople(cfg *Config) {
	everywhere := uses{}
	for i, p := range cfg.People {
		path := at("people", i)
		switch {
		case p.Email == "" && p.Domain == "" && !l.faultedBelow(path):
			l.fault(path, "needs email or domain", "email: for one person, domain: for everybody in it")
		case p.Email != "" && p.Domain != "":
			l.fault(path, "has both email and domain", "use two entries")
		}
		l.roomsExist(cfg, path+".rooms", p.Rooms)
		if who := p.Email + p.Domain; len(p.Rooms) == 0 && who != "" {
			l.uniqueName(everywhere, path, who, "entry without rooms for")
		}
		if domain := domainOf(p); domain != "" && len(cfg.AllowedDomains) > 0 && !cfg.allowedDomain(domain) {
			l.fault(path, fmt.Sprintf("%s is not in allowed_domains: the relay would ignore them", domain), "add it to allowed_domains")
		}
	}
	if len(cfg.People) == 0 && !l.faulted("people") {
		l.warn("people", "not set: nobody can acknowledge from a room", "people: [{domain: example.com, role: operator}]")
	}
}

func (l *loader) checkNotify(cfg *Config) {
	names, tokens := uses{}, uses{}
	for i, token := range cfg.Server.AdminTokens {
		l.unique(tokens, l.secretKey("server.admin_token", i), token.Reveal(), "token")
	}
	for i, n := range cfg.Notify {
		path := at("notify", i)
		l.uniqueName(names, path+".name", n.Name, "sender")
		for j, token := range n.Tokens {
			l.unique(tokens, l.secretKey(path+".token", j), token.Reveal(), "token")
			l.checkLength(path+".token_file", "token", j, token)
		}
		l.roomsExist(cfg, path+".rooms", n.Rooms)
		if len(n.Rooms) == 0 && !n.Persons && !l.faulted(path+".rooms") {
			l.fault(path, "cannot write to anybody", "rooms: [noc], or persons: true")
		}
	}
}

func (l *loader) checkScripts(cfg *Config) {
	sources := text.Names(cfg.Zabbix, func(s Source) string { return s.Name })
	names := uses{}
	for i, s := range cfg.Scripts {
		path := at("scripts", i)
		l.uniqueName(names, path+".name", s.Name, "script")
		l.sourcesExist(path+".sources", s.Sources, sources)
	}
}

func (l *loader) checkHeartbeats(cfg *Config) {
	names := uses{}
	for i, h := range cfg.Heartbeats {
		path := at("heartbeats", i)
		l.uniqueName(names, path+".name", h.Name, "heartbeat")
		l.roomsExist(cfg, path+".rooms", h.Rooms)
	}
	if len(cfg.Heartbeats) > 0 && len(cfg.Notify) == 0 && !l.faulted("notify") {
		l.fault("heartbeats", "need a sender's token", "notify: [{name: cron, token_file: FILE, rooms: [noc]}]")
	}
}

func (l *loader) checkCanary(cfg *Config) {
	if !l.given("canary.room") {
		return
	}
	if names := text.Names(cfg.Rooms, func(r Room) string { return r.Name }); len(names) > 0 {
		l.exists("canary.room", cfg.Canary.Room, "room", "rooms", names)
	}
	if cfg.Canary.Interval == 0 && !l.faulted("canary.interval") {
		l.fault("canary", "has a room and no interval, so it never runs", "interval: 15m")
	}
}

// checkIncident checks that roles and items can be told apart, and that a role is one word that people can type.
func (l *loader) checkIncident(i Incident) {
	for _, of := range []struct {
		key, what string
		list      []string
	}{{"incident.roles", "role", i.Roles}, {"incident.checklist", "item", i.Checklist}} {
		seen := uses{}
		for n, one := range of.list {
			path := at(of.key, n)
			switch {
			case strings.TrimSpace(one) == "":
				l.fault(path, "is empty", "")
			case of.what == "role" && !namePattern.MatchString(one):
				l.fault(path, fmt.Sprintf("%q isn't one word of letters and digits", one), "people type it: role lead")
			}
			l.uniqueName(seen, path, one, of.what)
		}
	}
}

// checkLength warns about a secret that is easily guessed. i is its place in the list.
func (l *loader) checkLength(path, what string, i int, secret Secret) {
	if len(secret.Reveal()) < minSecret {
		l.warn(path, fmt.Sprintf("%s %d is short", what, i+1), fmt.Sprintf("at least %d characters: openssl rand -hex 32", minSecret))
	}
}

// listRooms is the hint for a wrong room id.
const listRooms = "alert-relay rooms lists the rooms that a bot is in, with their ids"

// uses is the key that used a value first, for values that must be unique.
type uses map[string]string

// unique reports a value that is used twice. what describes it; a secret is described without its value.
func (l *loader) unique(seen uses, path, value, what string) {
	if value == "" || l.faulted(path) {
		return
	}
	if first, twice := seen[value]; twice {
		l.fault(path, "duplicate "+what, fmt.Sprintf("first at %s, line %d", first, l.line(first)))
		return
	}
	seen[value] = path
}

// uniqueName reports a name that is used twice, upper and lower case alike.
func (l *loader) uniqueName(seen uses, path, name, what string) {
	l.unique(seen, path, strings.ToLower(name), fmt.Sprintf("%s %q", what, name))
}

// exists reports an unknown name of a section's entry. If the section itself is faulty, its fault is enough.
func (l *loader) exists(path, name, what, section string, names []string) {
	if slices.Contains(names, name) || l.faulted(path) || l.faultedAround(section) {
		return
	}
	hint := text.DidYouMean(name, names)
	if hint == "" && len(names) > 0 {
		hint = "known: " + strings.Join(distinct(names), ", ")
	}
	l.fault(path, fmt.Sprintf("unknown %s %q", what, name), hint)
}

// distinct returns the names without empty ones and repetitions, in their order.
func distinct(names []string) []string {
	var out []string
	for _, name := range names {
		if name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func (l *loader) roomsExist(cfg *Config, path string, rooms []string) {
	names := text.Names(cfg.Rooms, func(r Room) string { return r.Name })
	if len(names) == 0 {
		return // reported as missing
	}
	seen := uses{}
	for i, room := range rooms {
		l.exists(at(path, i), room, "room", "rooms", names)
		l.uniqueName(seen, at(path, i), room, "room")
	}
}

func (l *loader) sourcesExist(path string, names, sources []string) {
	for i, name := range names {
		l.exists(at(path, i), name, "source", "zabbix", sources)
	}
}

// authority checks a file of certificate authorities.
func (l *loader) authority(path, name string) []byte {
	if name == "" {
		return nil
	}
	pem, _, ok := l.read(path, name)
	if !ok {
		return nil
	}
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		l.fault(path, name+" contains no certificate", "PEM: -----BEGIN CERTIFICATE-----")
	}
	return pem
}

// directory checks a directory of templates.
func (l *loader) directory(path, name string) {
	if name == "" {
		return
	}
	info, err := os.Stat(name)
	if err != nil {
		l.absent(path, "cannot read "+name+": "+cause(err), "")
	} else if !info.IsDir() {
		l.fault(path, name+" is not a directory", "")
	}
}

// clearText warns about a token that is sent unencrypted.
func (l *loader) clearText(path, address string) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || text.Loopback(u.Hostname()) {
		return
	}
	l.warn(path, "sends its token unencrypted", "use https://")
}
