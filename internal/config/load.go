package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"nms-alert-relay/internal/alert"
)

// Options say how a configuration is read.
type Options struct {
	// Env looks up an environment variable; nil for none.
	Env func(name string) string
	// ReadFile reads a file that the configuration refers to, with its mode; nil
	// for the disk.
	ReadFile func(name string) ([]byte, fs.FileMode, error)
	// Elsewhere says that this is not the machine that the file is for: secrets,
	// certificates and directories that don't exist here are warnings, not faults.
	Elsewhere bool
	// Strict makes every warning a fault.
	Strict bool
}

// Load reads the configuration that a relay will run with. Its error is a Faults
// with everything that is wrong.
func Load(path string, env func(string) string) (*Config, error) {
	return Read(path, Options{Env: env})
}

// Read is Load with options.
func Read(path string, opts Options) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, Faults{{File: path, What: "cannot read the file: " + cause(err)}}
	}
	return Parse(path, data, opts)
}

// Parse turns a file's content into a Config; name is the file's name, for faults
// and for relative paths.
func Parse(name string, data []byte, opts Options) (*Config, error) {
	if opts.ReadFile == nil {
		opts.ReadFile = readFile
	}
	l := &loader{opts: opts, decoder: decoder{file: name, bad: map[string]bool{}, lines: map[string]int{}, refs: map[string]secretRef{}}}
	root, fault := document(name, data)
	if fault != nil {
		return nil, Faults{*fault}
	}
	cfg := defaults()
	cfg.File = name
	l.lines[""] = 1
	if root != nil {
		l.decode(root, reflect.ValueOf(cfg).Elem(), "")
	}
	l.complete(cfg)
	l.secrets(cfg)
	l.rules(cfg)
	l.check(cfg)
	if len(l.found) > 0 {
		l.found.sort()
		return nil, l.found
	}
	l.warnings.sort()
	cfg.Warnings = l.warnings
	return cfg, nil
}

// loader turns one file into a Config.
type loader struct {
	decoder
	opts     Options
	warnings Faults
}

func (l *loader) warn(path, what, hint string) {
	to := &l.warnings
	if l.opts.Strict {
		to = &l.found
	}
	*to = append(*to, newFault(l.file, l.line(path), path, what, hint))
}

func (l *loader) env(name string) string {
	if l.opts.Env == nil {
		return ""
	}
	return l.opts.Env(name)
}

// document parses YAML; nil for an empty file.
func document(name string, data []byte) (*yaml.Node, *Fault) {
	reader := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := reader.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, syntax(name, data, err)
	}
	if err := reader.Decode(&more); err == nil {
		return nil, &Fault{File: name, Line: max(more.Line, 1), What: "a second YAML document starts here", Hint: "use one document per file: remove the ---"}
	} else if !errors.Is(err, io.EOF) {
		return nil, syntax(name, data, err)
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntax is the fault of a file with invalid YAML.
func syntax(name string, data []byte, err error) *Fault {
	text := err.Error()
	line := 1
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
		text = text[len(m[0]):]
	}
	fault := &Fault{File: name, Line: line, What: "invalid YAML: " + text}
	lines := strings.Split(string(data), "\n")
	for i := max(0, line-2); i < min(len(lines), line+1); i++ {
		if indent := lines[i][:len(lines[i])-len(strings.TrimLeft(lines[i], " \t"))]; strings.Contains(indent, "\t") {
			fault.Line, fault.Hint = i+1, "indent with spaces, not tabs"
			break
		}
	}
	return fault
}

// DefaultWebexURL is Webex's REST API.
const DefaultWebexURL = "https://webexapis.com/v1"

// defaults is the Config of an empty file.
func defaults() *Config {
	return &Config{
		Server:    Server{Listen: ":8080", AdminListen: "127.0.0.1:9090"},
		Store:     Store{Driver: "sqlite", Path: "relay.db"},
		Webex:     Webex{APIURL: DefaultWebexURL, U2CURL: "https://u2c.wbx2.com", HTTP: HTTPClient{Timeout: Duration(30 * time.Second)}},
		Storm:     Storm{Threshold: 10, Window: Duration(5 * time.Second), Individual: alert.Disaster},
		Flapping:  Flapping{Count: 3, Window: Duration(15 * time.Minute)},
		Command:   Command{Expiry: Duration(time.Hour)},
		Reconcile: Reconcile{Interval: Duration(time.Minute), MaxAge: Duration(day)},
		Retention: Retention{Journal: Duration(7 * day), Problems: Duration(30 * day), Audit: Duration(365 * day)},
		Delivery:  Delivery{Workers: 4, RateLimit: 5, Debounce: Duration(2 * time.Second), OrphanWait: Duration(2 * time.Minute)},
		TimeZone:  TimeZone{time.UTC},
		Log:       Log{Level: "info", Format: "text"},
	}
}

// complete fills in the defaults that depend on other keys, and normalizes
// addresses and paths.
func (l *loader) complete(cfg *Config) {
	cfg.Server.PublicURL = strings.TrimRight(cfg.Server.PublicURL, "/")
	cfg.Webex.APIURL = strings.TrimRight(cfg.Webex.APIURL, "/")
	cfg.Webex.U2CURL = strings.TrimRight(cfg.Webex.U2CURL, "/")
	for _, path := range []*string{&cfg.Store.Path, &cfg.Server.TLS.CertFile, &cfg.Server.TLS.KeyFile, &cfg.Webex.HTTP.CAFile, &cfg.Templates.Dir} {
		*path = l.resolve(*path)
	}
	for i := range cfg.Webex.Bots {
		if b := &cfg.Webex.Bots[i]; b.Listen == "" && cfg.Server.PublicURL != "" {
			b.Listen = ListenWebhook
		} else if b.Listen == "" {
			b.Listen = ListenOff
		}
	}
	for i := range cfg.Zabbix {
		s := &cfg.Zabbix[i]
		s.URL = strings.TrimRight(s.URL, "/")
		s.HTTP.CAFile = l.resolve(s.HTTP.CAFile)
		if !l.given(at("zabbix", i) + ".timeout") {
			s.HTTP.Timeout = Duration(10 * time.Second)
		}
		if s.SendTo == "" {
			s.SendTo = SendToAdd
		}
	}
	for i := range cfg.Rooms {
		l.completeRoom(cfg, &cfg.Rooms[i], at("rooms", i))
	}
	for i := range cfg.Routes {
		r := &cfg.Routes[i]
		r.Line = l.line(at("routes", i))
		r.Templates = l.resolve(r.Templates)
		if r.Name == "" {
			r.Name = fmt.Sprintf("route %d", i+1)
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
	if r.Presentation == "" {
		r.Presentation = PresentThread
	}
	storm := cfg.Storm
	if r.Storm != nil {
		if l.given(path + ".storm.threshold") {
			storm.Threshold = r.Storm.Threshold
		}
		if l.given(path + ".storm.window") {
			storm.Window = r.Storm.Window
		}
		if l.given(path + ".storm.individual") {
			storm.Individual = r.Storm.Individual
		}
	}
	r.Storm = &storm
	flapping := cfg.Flapping
	if r.Flapping != nil {
		if l.given(path + ".flapping.count") {
			flapping.Count = r.Flapping.Count
		}
		if l.given(path + ".flapping.window") {
			flapping.Window = r.Flapping.Window
		}
	}
	r.Flapping = &flapping
	if q := r.Quiet; q != nil {
		if !l.given(path + ".quiet.below") {
			q.Below = alert.Disaster
		}
		for i := range q.When {
			q.When[i].TimeZone = orZone(q.When[i].TimeZone, r.TimeZone)
		}
	}
}

func orZone(z, fallback TimeZone) TimeZone {
	if z.Location == nil {
		return fallback
	}
	return z
}

// maxSecretFile bounds what is read of a file that the configuration refers to.
const maxSecretFile = 1 << 20

func readFile(name string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if info.IsDir() {
		return nil, info.Mode(), errors.New("is a directory")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSecretFile))
	return data, info.Mode(), err
}

// cause is a file system error without its path.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
