package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each fault has its line, key, message and hint.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		text string // appended to small, or with an "=" replaced in it: "old=>new"
		want string
	}{
		"unknown key":          {"strom: {threshold: 3}", `relay.yaml:8: strom: unknown key (did you mean storm?)`},
		"unknown key deep":     {"delivery: {worker: 3}", `relay.yaml:8: delivery.worker: unknown key (did you mean workers?)`},
		"key of another place": {"log: {path: x}", `relay.yaml:8: log.path: unknown key (valid keys: format, level)`},
		"key twice": {
			"log: {level: info, level: debug}\ndefault_rooms: [noc]",
			`relay.yaml:9: default_rooms: duplicate key (first on line 6)`,
		},
		"list for keys": {"log: [info]", `relay.yaml:8: log: expected a mapping, got a list`},
		"keys for text": {"time_zone: {name: UTC}", `relay.yaml:8: time_zone: expected a time zone, got a mapping`},
		"text for number": {
			"delivery: {workers: many}",
			`relay.yaml:8: delivery.workers: expected a whole number, got "many"`,
		},
		"text for switch": {
			"notify: [{name: a, token_env: OTHER, persons: maybe, rooms: [noc]}]",
			`relay.yaml:8: notify[0].persons: expected true or false, got "maybe"`,
		},
		"number too small": {"delivery: {workers: 0}", `relay.yaml:8: delivery.workers: must be at least 1, got 0`},
		"rate zero":        {"delivery: {rate_limit: 0}", `relay.yaml:8: delivery.rate_limit: must be more than 0, got 0`},
		"duration": {
			"command: {expiry: 90}",
			`relay.yaml:8: command.expiry: "90" is not a duration (a number with a unit: 500ms, 30s, 15m, 1h30m, 7d)`,
		},
		"duration too long": {"command: {expiry: 8d}", `relay.yaml:8: command.expiry: must be at most 7d, got 8d`},
		"duration negative": {
			"reconcile: {interval: -1m}",
			`relay.yaml:8: reconcile.interval: "-1m" is not a duration (a number with a unit: 500ms, 30s, 15m, 1h30m, 7d)`,
		},
		"heartbeat often": {
			"heartbeats: [{name: a, interval: 1s}]\nnotify: [{name: a, token_env: OTHER, rooms: [noc]}]",
			`relay.yaml:8: heartbeats[0].interval: must be at least 10s, got 1s`,
		},
		"heartbeat without a sender": {
			"heartbeats: [{name: a, interval: 1m}]",
			`relay.yaml:8: heartbeats: need a sender's token (notify: [{name: cron, token_file: FILE, rooms: [noc]}])`,
		},
		"heartbeat for an unknown room": {
			"heartbeats: [{name: a, interval: 1m, rooms: [nco]}]\nnotify: [{name: a, token_env: OTHER, rooms: [noc]}]",
			`relay.yaml:8: heartbeats[0].rooms[0]: unknown room "nco" (did you mean noc?)`,
		},
		"script in an unknown source": {"scripts: [{name: ping, sources: [mian]}]", `relay.yaml:8: scripts[0].sources[0]: unknown source "mian" (did you mean main?)`},
		"two scripts":                 {"scripts:\n  - {name: ping}\n  - {name: Ping}", `relay.yaml:10: scripts[1].name: duplicate script "Ping" (first at scripts[0].name, line 9)`},
		"script for nobody":           {"scripts: [{name: ping, role: root}]", `relay.yaml:8: scripts[0].role: unknown value "root", expected viewer, operator or admin`},
		"action without an address":   {"actions: [{name: ticket}]", `relay.yaml:8: actions[0].url: is missing (where the request goes, such as https://tickets.example.com/hook)`},
		"action's address":            {"actions: [{name: ticket, url: \"https://u:p@x.example.com/?key=k#f\"}]", `relay.yaml:8: actions[0].url: invalid address (http:// or https://, a host and a path; no user or fragment)`},
		"two actions":                 {"actions:\n  - {name: ticket, url: \"https://x\"}\n  - {name: Ticket, url: \"https://y\"}", `relay.yaml:10: actions[1].name: duplicate action "Ticket" (first at actions[0].name, line 9)`},
		"action for an unknown source": {
			"actions: [{name: ticket, url: \"https://x\", match: {sources: [mian]}}]",
			`relay.yaml:8: actions[0].match.sources[0]: unknown source "mian" (did you mean main?)`,
		},
		"action at an hour": {
			"actions: [{name: ticket, url: \"https://x\", match: {when: []}}]",
			`relay.yaml:8: actions[0].match.when: unknown key (valid keys: groups, hosts, origins, severity, sources, tags, trigger)`,
		},
		"action's method": {"actions: [{name: ticket, url: \"https://x\", method: GET}]", `relay.yaml:8: actions[0].method: unknown value "GET", expected POST or PUT`},
		"action's title":  {"actions: [{name: ticket, url: \"https://x\", title: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx}]", `relay.yaml:8: actions[0].title: must be one line of at most 40 characters`},
		"action's template": {
			"actions:\n  - name: ticket\n    url: https://x\n    body: '{\"a\": \"{{.Problem.Nmae}}\"}'",
			`relay.yaml:11: actions[0].body: template: line 1: at <.Problem.Nmae>: can't evaluate field Nmae in type payload.Problem (docs/actions.md lists the fields and functions)`,
		},
		"action's body that isn't JSON": {
			"actions:\n  - name: ticket\n    url: https://x\n    body: '{\"a\": {{.Comment}}}'",
			`relay.yaml:11: actions[0].body: template: its result isn't JSON: invalid character 'a' looking for beginning of value (docs/actions.md lists the fields and functions)`,
		},
		"action's answer": {"actions: [{name: ticket, url: \"https://x\", answer: \"{{frob .a}}\"}]", `relay.yaml:8: actions[0].answer: template: line 1: function "frob" not defined (docs/actions.md lists the fields and functions)`},
		"action's type":   {"actions: [{name: ticket, url: \"https://x\", content_type: json;;, body: x}]", `relay.yaml:8: actions[0].content_type: invalid content type "json;;" (such as application/json)`},
		"action's type without a body": {
			"actions: [{name: ticket, url: \"https://x\", content_type: text/plain}]",
			`relay.yaml:8: actions[0].content_type: has no effect without a body (the default body is JSON)`,
		},
		"action's own header": {
			"actions: [{name: ticket, url: \"https://x\", headers: [{name: x-relay-id, value: a}]}]",
			`relay.yaml:8: actions[0].headers[0].name: header "x-relay-id" can't be set (the relay sets it)`,
		},
		"action's header without a value": {"actions: [{name: ticket, url: \"https://x\", headers: [{name: X-A}]}]", `relay.yaml:8: actions[0].headers[0].value: is missing (value, or value_file or value_env for a secret)`},
		"action with two credentials": {
			"actions: [{name: ticket, url: \"https://x\", token_env: OTHER, basic_auth: {username: u, password_env: OTHER}}]",
			`relay.yaml:8: actions[0].token: excludes basic_auth (both are sent as the header Authorization)`,
		},
		"incident's role of two words": {"incident:\n  roles: [lead, on call]", `relay.yaml:9: incident.roles[1]: "on call" isn't one word of letters and digits (people type it: role lead)`},
		"incident's role twice":        {"incident:\n  roles:\n    - lead\n    - Lead", `relay.yaml:11: incident.roles[1]: duplicate role "Lead" (first at incident.roles[0], line 10)`},
		"incident's empty item":        {"incident:\n  checklist:\n    - ' '", `relay.yaml:10: incident.checklist[0]: is empty`},
		"incident's item twice":        {"incident:\n  checklist:\n    - Call\n    - Call", `relay.yaml:11: incident.checklist[1]: duplicate item "Call" (first at incident.checklist[0], line 10)`},
		"incident's end":               {"incident: {on_close: delete}", `relay.yaml:8: incident.on_close: unknown value "delete", expected keep or leave`},
		"incident's reminders often":   {"incident: {update_every: 1s}", `relay.yaml:8: incident.update_every: must be at least 1m, got 1s`},
		"incident's late review":       {"incident: {review_after: 2d}", `relay.yaml:8: incident.review_after: must be at most 1d, got 2d`},
		"incident that never closes":   {"incident: {close_after: 8d}", `relay.yaml:8: incident.close_after: must be at most 7d, got 8d`},
		"canary often":                 {"canary: {interval: 1s}", `relay.yaml:8: canary.interval: must be at least 1m, got 1s`},
		"canary in an unknown room":    {"canary:\n  interval: 15m\n  room: nco", `relay.yaml:10: canary.room: unknown room "nco" (did you mean noc?)`},
		"canary without an interval":   {"canary: {room: noc}", `relay.yaml:8: canary: has a room and no interval, so it never runs (interval: 15m)`},
		"zone": {
			"time_zone: Berlin",
			`relay.yaml:8: time_zone: "Berlin" is not a time zone (an IANA name such as Europe/Berlin, or UTC)`,
		},
		"word": {
			"log: {level: inof}",
			`relay.yaml:8: log.level: unknown value "inof", expected debug, info, warn or error (did you mean info?)`,
		},
		"postgres": {
			"store: {driver: postgres}",
			`relay.yaml:8: store.driver: postgres is not supported in this version (driver: sqlite)`,
		},
		"flapping once": {
			"flapping: {count: 1}",
			`relay.yaml:8: flapping.count: must be at least 2, got 1 (off disables it)`,
		},
		"flapping often": {
			"flapping: {count: many}",
			`relay.yaml:8: flapping.count: expected a whole number, got "many" (2 or more, or off)`,
		},
		"flapping window of zero": {"flapping: {window: 0s}", `relay.yaml:8: flapping.window: must be at least 1s, got 0s`},
		"severity": {
			"storm: {individual: desaster}",
			`relay.yaml:8: storm.individual: unknown severity "desaster", expected one of not classified, information, warning, average, high, disaster, or 0 to 5 (did you mean disaster?)`,
		},
		"address": {
			"server: {listen: 8080}",
			`relay.yaml:8: server.listen: invalid listen address "8080" (host:port, or :port for every interface)`,
		},
		"one address for two": {
			"server: {admin_listen: ':8080'}",
			`relay.yaml:8: server.admin_listen: port 8080 is already used by server.listen (metrics and the admin API must not be public: use another port)`,
		},
		"one port for two": {
			"server: {listen: ':9090'}",
			`relay.yaml:8: server.admin_listen: port 9090 is already used by server.listen (metrics and the admin API must not be public: use another port)`,
		},
		"reserved room name": {
			"name: db,=>name: Routes,",
			`relay.yaml:5: rooms[1].name: "Routes" is reserved (as "Send to" in Zabbix it means: use the routes)`,
		},
		"public url": {
			"server: {public_url: relay.example.com}",
			`relay.yaml:8: server.public_url: invalid base URL "relay.example.com" (http:// or https://, a host and optionally a path; no user, query or fragment)`,
		},
		"webhook without url": {
			"{name: noc}=>{name: noc, listen: webhook}",
			`relay.yaml:2: webex.bots[0].listen: webhook requires server.public_url (the https:// address at which Webex reaches server.listen; or use websocket, which needs none)`,
		},
		"proxy": {
			"bots: [{name: noc}]=>bots: [{name: noc}]\n  proxy_url: socks5://u:pa55@x",
			`relay.yaml:3: webex.proxy_url: invalid proxy URL (such as http://proxy.example.com:3128)`,
		},
		"secret in the file": {
			"{name: noc}=>{name: noc, token: abc}",
			`relay.yaml:2: webex.bots[0].token: secrets are not allowed in this file (use token_file or token_env)`,
		},
		"no token": {
			"{name: noc}=>{name: lab}",
			`relay.yaml:2: webex.bots[0].token: is missing (use token_file or token_env, or set the environment variable ALERT_RELAY_WEBEX_LAB_TOKEN)`,
		},
		"no secret": {
			"name: main=>name: m2",
			`relay.yaml:4: zabbix[0].secret: is missing (use secret_file or secret_env, or set the environment variable ALERT_RELAY_ZABBIX_M2_SECRET)`,
		},
		"variable unset": {
			"{name: noc}=>{name: noc, token_env: NOPE}",
			`relay.yaml:2: webex.bots[0].token_env: environment variable NOPE is not set`,
		},
		"secret as variable": {
			"{name: noc}=>{name: noc, token_env: 'MTk='}",
			`relay.yaml:2: webex.bots[0].token_env: not the name of an environment variable (the name, not the secret itself; token_file for a file)`,
		},
		"file missing": {
			"{name: noc}=>{name: noc, token_file: /nowhere/token}",
			`relay.yaml:2: webex.bots[0].token_file: cannot read /nowhere/token: no such file or directory`,
		},
		"file is a directory": {
			"{name: noc}=>{name: noc, token_file: /}",
			`relay.yaml:2: webex.bots[0].token_file: cannot read /: is a directory`,
		},
		"token twice": {
			"{name: noc}=>{name: noc, token_env: OTHER, token_file: /dev/null}",
			`relay.yaml:2: webex.bots[0].token: is set more than once (use token_file or token_env, not both)`,
		},
		"two bots, one token": {
			"{name: noc}]=>{name: noc}, {name: lab, token_env: ALERT_RELAY_WEBEX_NOC_TOKEN}]",
			`relay.yaml:2: webex.bots[1].token_env: duplicate token (first at webex.bots[0].token, line 2)`,
		},
		"bot twice": {
			"{name: noc}]=>{name: noc}, {name: NOC, token_env: OTHER}]",
			`relay.yaml:2: webex.bots[1].name: duplicate bot "NOC" (first at webex.bots[0].name, line 2)`,
		},
		"bad name": {
			"name: main=>name: 'main/1'",
			`relay.yaml:4: zabbix[0].name: invalid name "main/1" (at most 64 letters, digits, dots, dashes and underscores, starting with a letter or digit)`,
		},
		"no url": {
			`, url: "https://zabbix.example.com/"=>`,
			`relay.yaml:4: zabbix[0].url: is missing (the frontend's base URL, such as https://zabbix.example.com)`,
		},
		"url of a page": {
			"example.com/=>example.com/zabbix/api_jsonrpc.php",
			`relay.yaml:4: zabbix[0].url: "https://zabbix.example.com/zabbix/api_jsonrpc.php" is a page, not the frontend's base URL (use https://zabbix.example.com/zabbix)`,
		},
		"link_url": {
			"name: main,=>name: main, link_url: zabbix.example.com,",
			`relay.yaml:4: zabbix[0].link_url: invalid base URL "zabbix.example.com" (http:// or https://, a host and optionally a path; no user, query or fragment)`,
		},
		"key without certificate": {
			"name: main,=>name: main, key_file: key.pem,",
			`relay.yaml:4: zabbix[0].cert_file: is missing (cert_file and key_file go together)`,
		},
		"certificate of a source": {
			"name: main,=>name: main, cert_file: relay.pem, key_file: relay.pem,",
			"relay.yaml:4: zabbix[0].cert_file: cannot read relay.pem: no such file or directory\n" +
				"relay.yaml:4: zabbix[0].key_file: cannot read relay.pem: no such file or directory",
		},
		"basic_auth without a password": {
			"name: main,=>name: main, basic_auth: {username: relay},",
			`relay.yaml:4: zabbix[0].basic_auth.password: is missing (use password_file or password_env, or set the environment variable ALERT_RELAY_ZABBIX_MAIN_PASSWORD)`,
		},
		"basic_auth without a user": {
			"name: main,=>name: main, basic_auth: {password_env: OTHER},",
			`relay.yaml:4: zabbix[0].basic_auth.username: is missing (username and password_file go together)`,
		},
		"basic_auth with a colon": {
			"name: main,=>name: main, basic_auth: {username: 're:lay', password_env: OTHER},",
			`relay.yaml:4: zabbix[0].basic_auth.username: "re:lay" must not contain ":"`,
		},
		"the password itself": {
			"name: main,=>name: main, basic_auth: {username: relay, password: hunter22},",
			`relay.yaml:4: zabbix[0].basic_auth.password: secrets are not allowed in this file (use password_file or password_env)`,
		},
		"headers of the relay": {
			"name: main,=>name: main, headers: [{name: authorization, value: x}, {name: Host, value: x}, {name: content-type, value: x}, {name: Content-Length, value: x}, {name: 'a b', value: x}, {value: x}],",
			`relay.yaml:4: zabbix[0].headers[0].name: header "authorization" can't be set (a name such as X-Api-Key; basic_auth sets Authorization, api_token_file is for the API token)
relay.yaml:4: zabbix[0].headers[1].name: header "Host" can't be set (a name such as X-Api-Key; basic_auth sets Authorization, api_token_file is for the API token)
relay.yaml:4: zabbix[0].headers[2].name: header "content-type" can't be set (a name such as X-Api-Key; basic_auth sets Authorization, api_token_file is for the API token)
relay.yaml:4: zabbix[0].headers[3].name: header "Content-Length" can't be set (a name such as X-Api-Key; basic_auth sets Authorization, api_token_file is for the API token)
relay.yaml:4: zabbix[0].headers[4].name: header "a b" can't be set (a name such as X-Api-Key; basic_auth sets Authorization, api_token_file is for the API token)
relay.yaml:4: zabbix[0].headers[5].name: is missing`,
		},
		"headers without one value": {
			"name: main,=>name: main, headers: [{name: X-A}, {name: X-B, value: x, value_env: OTHER}, {name: x-a, value: x}, {name: X-C, value: \"hunter22\\n\"}, {name: X-D, value_env: LINES}],",
			`relay.yaml:4: zabbix[0].headers[0].value: is missing (value, or value_file or value_env for a secret)
relay.yaml:4: zabbix[0].headers[1].value: is set more than once (use value, value_file or value_env)
relay.yaml:4: zabbix[0].headers[2].name: duplicate header "x-a" (first at zabbix[0].headers[0].name, line 4)
relay.yaml:4: zabbix[0].headers[3].value: contains characters that a header can't have (one line of text)
relay.yaml:4: zabbix[0].headers[4].value_env: contains characters that a header can't have (one line of text)`,
		},
		"send_to": {
			"name: main,=>name: main, send_to: onyl,",
			`relay.yaml:4: zabbix[0].send_to: unknown value "onyl", expected add, only or ignore (did you mean only?)`,
		},
		"room's bot": {
			"id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ=>id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ, bot: nco",
			`relay.yaml:5: rooms[0].bot: unknown bot "nco" (did you mean noc?)`,
		},
		"room twice": {
			"name: db=>name: noc",
			`relay.yaml:5: rooms[1].name: duplicate room "noc" (first at rooms[0].name, line 5)`,
		},
		"id twice": {
			"Y2lzY29zcGFyazovL3VzL1JPT00vMg=>Y2lzY29zcGFyazovL3VzL1JPT00vMQ",
			`relay.yaml:5: rooms[1].id: duplicate Webex room (first at rooms[0].id, line 5)`,
		},
		"no id": {
			", id: Y2lzY29zcGFyazovL3VzL1JPT00vMg=>",
			`relay.yaml:5: rooms[1].id: is missing (alert-relay rooms lists the rooms that a bot is in, with their ids)`,
		},
		"id with a space": {
			"Y2lzY29zcGFyazovL3VzL1JPT00vMg=>'ROOM 2'",
			`relay.yaml:5: rooms[1].id: invalid Webex room id "ROOM 2" (alert-relay rooms lists the rooms that a bot is in, with their ids)`,
		},
		"no default rooms": {
			"default_rooms: [noc]\n=>",
			`relay.yaml:1: default_rooms: is missing (rooms for problems that no route matches: default_rooms: [noc])`,
		},
		"default room unknown": {
			"default_rooms: [noc]=>default_rooms: [nocc]",
			`relay.yaml:6: default_rooms[0]: unknown room "nocc" (did you mean noc?)`,
		},
		"default room twice": {
			"default_rooms: [noc]=>default_rooms: [noc, noc]",
			`relay.yaml:6: default_rooms[1]: duplicate room "noc" (first at default_rooms[0], line 6)`,
		},
		"no rooms": {
			"rooms: [{name: noc, id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ}, {name: db, id: Y2lzY29zcGFyazovL3VzL1JPT00vMg}]\n=>rooms: []\n",
			`relay.yaml:5: rooms: is missing (name at least one room)`,
		},
		"route without rooms": {
			"routes: [{match: {hosts: a}}]",
			`relay.yaml:8: routes[0].rooms: is missing (name at least one room)`,
		},
		"route's room": {
			"routes:\n  - rooms: [db]\n    continue: true\n  - rooms:\n    - noc\n    - xyz",
			`relay.yaml:13: routes[1].rooms[1]: unknown room "xyz" (known: noc, db)`,
		},
		"route twice": {
			"routes: [{name: a, rooms: [db], continue: true}, {name: A, rooms: [noc]}]",
			`relay.yaml:8: routes[1].name: duplicate route "A" (first at routes[0].name, line 8)`,
		},
		"route's reserved name": {
			"routes: [{name: send_to, rooms: [db]}]",
			`relay.yaml:8: routes[0].name: "send_to" is reserved (choose another name)`,
		},
		"route's source": {
			"routes: [{match: {sources: [mian]}, rooms: [db]}]",
			`relay.yaml:8: routes[0].match.sources[0]: unknown source "mian" (did you mean main?)`,
		},
		"glob": {
			"routes: [{match: {hosts: ['db[1']}, rooms: [db]}]",
			`relay.yaml:8: routes[0].match.hosts[0]: missing ] in "[1" (\[ matches a bracket)`,
		},
		"glob empty": {
			"routes: [{match: {groups: ['']}, rooms: [db]}]",
			`relay.yaml:8: routes[0].match.groups[0]: is empty (* matches every name)`,
		},
		"tag": {
			"routes: [{match: {tags: ['=db']}, rooms: [db]}]",
			`relay.yaml:8: routes[0].match.tags[0]: missing tag name in "=db" ("tag", "tag=value" or "!tag")`,
		},
		"regexp": {
			"routes: [{match: {trigger: '(?=x)'}, rooms: [db]}]",
			"relay.yaml:8: routes[0].match.trigger: invalid regular expression: invalid or unsupported Perl syntax: `(?=` (RE2 syntax: no look-around, no backreferences)",
		},
		"match severity": {
			"routes: [{match: {severity: '>=hihg'}, rooms: [db]}]",
			`relay.yaml:8: routes[0].match.severity: unknown severity "hihg", expected one of not classified, information, warning, average, high, disaster, or 0 to 5 (did you mean high?)`,
		},
		"match nothing": {
			"routes: [{match: {severity: '>disaster'}, rooms: [db]}]",
			`relay.yaml:8: routes[0].match.severity: ">disaster" matches no severity`,
		},
		"origin": {
			"routes: [{match: {origins: [triger]}, rooms: [db]}]",
			`relay.yaml:8: routes[0].match.origins[0]: unknown value "triger", expected trigger, discovery, autoregistration, internal or service (did you mean trigger?)`,
		},
		"day": {
			"routes: [{match: {when: {days: [mo-fr]}}, rooms: [db]}]",
			`relay.yaml:8: routes[0].match.when[0].days[0]: "mo-fr" is not a day (mon, tue, wed, thu, fri, sat, sun, or a range such as mon-fri)`,
		},
		"hours": {
			"routes: [{match: {when: {hours: 8-18}}, rooms: [db]}]",
			`relay.yaml:8: routes[0].match.when[0].hours: "8-18" is not a range of hours (such as 08:00-18:00, or 22:00-06:00 across midnight)`,
		},
		"hours empty": {
			"routes: [{match: {when: {hours: '08:00-08:00'}}, rooms: [db]}]",
			`relay.yaml:8: routes[0].match.when[0].hours: "08:00-08:00" is an empty range (leave out hours for the whole day)`,
		},
		"presentation": {
			"routes: [{presentation: lines, rooms: [db]}]",
			`relay.yaml:8: routes[0].presentation: unknown value "lines", expected thread, card or line (did you mean line?)`,
		},
		"key of a later version": {
			"routes: [{mute: 5m, rooms: [db]}]",
			`relay.yaml:8: routes[0].mute: unknown key (valid keys: ack_expires, continue, delay, duty, escalate, graph, hide_memory, match, name, presentation, remind, rooms, tell, templates)`,
		},
		"delay": {
			"routes: [{delay: 25h, rooms: [db]}]",
			`relay.yaml:8: routes[0].delay: must be at most 1d, got 1d1h`,
		},
		"reminders too often": {
			"routes: [{remind: 10s, rooms: [db]}]",
			`relay.yaml:8: routes[0].remind: must be at least 1m, got 10s`,
		},
		"escalation without after": {
			"routes: [{escalate: {rooms: [noc]}, rooms: [db]}]",
			`relay.yaml:8: routes[0].escalate[0].after: is missing (how long a problem stays unacknowledged before this step: after: 15m)`,
		},
		"escalation of nothing": {
			"routes: [{escalate: {after: 15m}, rooms: [db]}]",
			`relay.yaml:8: routes[0].escalate[0]: has no effect (rooms: [leads], mention: [alice@example.com], duty: primary, or several of them)`,
		},
		"escalation's room": {
			"routes: [{escalate: {after: 15m, rooms: [nco]}, rooms: [db]}]",
			`relay.yaml:8: routes[0].escalate[0].rooms[0]: unknown room "nco" (did you mean noc?)`,
		},
		"escalation to itself": {
			"routes: [{escalate: {after: 15m, rooms: [noc, db]}, rooms: [db]}]",
			`relay.yaml:8: routes[0].escalate[0].rooms[1]: db is already one of this route's rooms (use another room, or mention)`,
		},
		"escalation's order": {
			"routes:\n  - rooms: [db]\n    escalate:\n      - {after: 15m, mention: all}\n      - {after: 15m, rooms: noc}",
			`relay.yaml:12: routes[0].escalate[1].after: must be later than the previous step, 15m, got 15m (each step counts from the problem's first post)`,
		},
		"mention of a word": {
			"routes: [{escalate: {after: 15m, mention: [everybody]}, rooms: [db]}]",
			`relay.yaml:8: routes[0].escalate[0].mention[0]: expected an e-mail address, all or duty, got "everybody" (such as alice@example.com; all mentions everybody in the room, duty whoever is on duty)`,
		},
		"mention of a stranger": {
			"routes: [{escalate: {after: 15m, mention: [all, eve@evil.org]}, rooms: [db]}]",
			`relay.yaml:8: routes[0].escalate[0].mention[1]: eve@evil.org is not in an allowed domain (add the domain to allowed_domains, or the person to people)`,
		},
		"quiet without when": {
			"id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ=>id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ, quiet: {below: high}",
			`relay.yaml:5: rooms[0].quiet.when: is missing (the hours: when: [{days: [mon-fri], hours: "22:00-07:00"}])`,
		},
		"quiet hours": {
			"id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ=>id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ, quiet: {when: {hours: 22-7}}",
			`relay.yaml:5: rooms[0].quiet.when[0].hours: "22-7" is not a range of hours (such as 08:00-18:00, or 22:00-06:00 across midnight)`,
		},
		"quiet below nothing": {
			"id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ=>id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ, quiet: {when: {hours: '22:00-07:00'}, below: 0}",
			`relay.yaml:5: rooms[0].quiet.below: no severity is below not classified (the lowest severity that is posted at any hour; disaster by default)`,
		},
		"quiet without end": {
			"id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ=>id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ, quiet: {when: [{days: mon-fri}, {days: [sat, sun]}], below: high}",
			`relay.yaml:5: rooms[0].quiet.when: never ends: no problem below high would ever be posted (leave out at least an hour of the week; a route can send less severe problems to another room)`,
		},
		"templates": {
			"templates: {dir: nowhere}",
			`relay.yaml:8: templates.dir: cannot read nowhere: no such file or directory`,
		},
		"person's e-mail": {
			"domain: example.com=>email: alice",
			`relay.yaml:7: people[0].email: invalid e-mail address "alice" (such as alice@example.com)`,
		},
		"person's domain": {
			"domain: example.com=>domain: '@example.com'",
			`relay.yaml:7: people[0].domain: invalid domain "@example.com" (such as example.com, without @ or *)`,
		},
		"neither email nor domain": {
			"domain: example.com, =>",
			`relay.yaml:7: people[0]: needs email or domain (email: for one person, domain: for everybody in it)`,
		},
		"both email and domain": {
			"domain: example.com=>domain: example.com, email: a@example.com",
			`relay.yaml:7: people[0]: has both email and domain (use two entries)`,
		},
		"role": {
			"role: operator=>role: root",
			`relay.yaml:7: people[0].role: unknown value "root", expected viewer, operator or admin`,
		},
		"no role": {", role: operator=>", `relay.yaml:7: people[0].role: is missing (viewer, operator or admin)`},
		"person's room": {
			"role: operator=>role: operator, rooms: dbb",
			`relay.yaml:7: people[0].rooms[0]: unknown room "dbb" (did you mean db?)`,
		},
		"person twice": {
			"role: operator}=>role: operator}, {domain: Example.com, role: viewer}",
			`relay.yaml:7: people[1]: duplicate entry without rooms for "example.com" (first at people[0], line 7)`,
		},
		"person not allowed": {
			"allowed_domains: [example.org]",
			`relay.yaml:7: people[0]: example.com is not in allowed_domains: the relay would ignore them (add it to allowed_domains)`,
		},
		"allowed domain": {
			"allowed_domains: ['*', example.com]",
			`relay.yaml:8: allowed_domains[0]: invalid domain "*" (such as example.com, without @ or *)`,
		},
		"sender to nobody": {
			"notify: [{name: a, token_env: OTHER}]",
			`relay.yaml:8: notify[0]: cannot write to anybody (rooms: [noc], or persons: true)`,
		},
		"sender's room": {
			"notify: [{name: a, token_env: OTHER, rooms: [nco]}]",
			`relay.yaml:8: notify[0].rooms[0]: unknown room "nco" (did you mean noc?)`,
		},
		"senders, one token": {
			"notify: [{name: a, token_env: OTHER, rooms: [noc]}, {name: b, token_env: OTHER, rooms: [db]}]",
			`relay.yaml:8: notify[1].token_env: duplicate token (first at notify[0].token_env, line 8)`,
		},
		"no source, no sender": {
			"zabbix:\n  - {name: main, url: \"https://zabbix.example.com/\"}\n=>",
			`relay.yaml:1: zabbix: is missing (at least one source, or a notify sender)`,
		},
		"half a certificate": {
			"server: {tls: {cert_file: /dev/null}}",
			`relay.yaml:8: server.tls.key_file: is missing (cert_file and key_file go together)`,
		},
		"authority": {
			"name: main,=>name: main, ca_file: /dev/null,",
			`relay.yaml:4: zabbix[0].ca_file: /dev/null contains no certificate (PEM: -----BEGIN CERTIFICATE-----)`,
		},
		"no such authority": {
			"bots: [{name: noc}]=>bots: [{name: noc}]\n  ca_file: ca.pem",
			`relay.yaml:3: webex.ca_file: cannot read ca.pem: no such file or directory`,
		},
		"empty item": {
			"allowed_domains: [example.com, ]\nnotify: [{name: a, token_env: OTHER, rooms: [noc, ~]}]",
			`relay.yaml:9: notify[0].rooms[1]: is empty (remove it)`,
		},
		"two documents": {
			"---\nlog: {level: info}",
			`relay.yaml:8: a second YAML document starts here (use one document per file: remove the ---)`,
		},
		"tab": {
			"log:\n\tlevel: info",
			`relay.yaml:9: invalid YAML: found character that cannot start any token (indent with spaces, not tabs)`,
		},
		"endless": {
			"routes: [&r {<<: [*r, *r], rooms: [noc]}]",
			"relay.yaml:8: routes[0].<<: merges itself\nrelay.yaml:8: routes[0].<<: merges itself",
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := small + c.text + "\n"
			if before, after, ok := strings.Cut(c.text, "=>"); ok {
				require.Contains(t, small, before)
				text = strings.Replace(small, before, after, 1)
			}
			_, faults := parse(t, text)
			require.NotEmpty(t, faults)
			require.Equal(t, c.want, faults.Error())
		})
	}
}
