package zabbixsim

import (
	"slices"
	"strings"
	"time"
)

// Script is a global script.
type Script struct {
	ID, Name string
	Scope    string // "2" is for a host, "4" for a problem; "" is for a host
	Write    bool   // it needs write permission on the host
	Input    bool   // it asks for a value
	Output   string // HOST is replaced by the host's technical name
	Fails    bool   // it ends with an error: then Zabbix answers with its output as an error (measured)
	Took     time.Duration
}

// defaultScripts are harmless, for the demo.
func defaultScripts() []Script {
	return []Script{
		{ID: "1", Name: "Ping", Output: "PING HOST: 3 packets transmitted, 3 received, 0% packet loss\nround-trip min/avg/max = 0.31/0.38/0.44 ms\n"},
		{ID: "2", Name: "Restart agent", Write: true, Output: "zabbix-agent2.service on HOST: restarted\n"},
	}
}

// AddScript adds a script. One with the same name is another one, in another menu.
func (s *Server) AddScript(script Script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	script.ID = itoa(int64(len(s.scripts) + 1))
	s.scripts = append(s.scripts, script)
}

// Executed returns "NAME on HOST" for each script that ran.
func (s *Server) Executed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.executed)
}

func (s *Server) scriptGet(_ User, a args) (any, *rpcError) {
	out := []any{}
	for _, script := range s.scripts {
		o := row{"scriptid": script.ID, "name": script.Name, "scope": scopeOf(script)}
		if !a.selects(o) {
			continue
		}
		if s.forms.strict {
			o["manualinput"] = flag(script.Input)
		}
		out = append(out, o)
	}
	return out, nil
}

func scopeOf(script Script) string {
	if script.Scope == "" {
		return "2"
	}
	return script.Scope
}

func (s *Server) scriptExecute(u User, a args) (any, *rpcError) {
	if slices.Contains(u.Denied, "execute_scripts") {
		return nil, s.noMethod("script.execute")
	}
	for _, name := range []string{"scriptid", "hostid"} {
		if !a.has(name) {
			return nil, invalid(`Invalid parameter "/": the parameter %q is missing.`, name)
		}
	}
	i := slices.IndexFunc(s.scripts, func(script Script) bool { return script.ID == a.text("scriptid") })
	hosts := s.hosts()
	h := slices.IndexFunc(hosts, func(h Host) bool { return h.ID == a.text("hostid") })
	if i < 0 || h < 0 {
		return nil, errNoObject
	}
	script := s.scripts[i]
	switch {
	case scopeOf(script) != "2":
		return nil, application("Script is not allowed in manual host action: scope:" + script.Scope)
	case script.Write && u.ReadOnly:
		return nil, application("User does not have permission to execute this script on the host.")
	case script.Input:
		return nil, application("Script takes user input, but none was provided.")
	}
	if !s.forms.tokenScript {
		return nil, errCrash
	}
	s.executed = append(s.executed, script.Name+" on "+hosts[h].Host)
	output := strings.ReplaceAll(script.Output, "HOST", hosts[h].Host)
	if script.Took > 0 {
		s.mu.Unlock()
		time.Sleep(script.Took)
		s.mu.Lock()
	}
	s.notify()
	if script.Fails {
		return nil, application(output)
	}
	return map[string]any{"response": "success", "value": output, "debug": []any{}}, nil
}
