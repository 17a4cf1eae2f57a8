//go:build e2e

package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/zabbix"
)

// patience bounds the wait for Zabbix. On an idle machine it sends a problem within 3 s and an update within 8 s (measured).
const patience = 60 * time.Second

// server is a real Zabbix with a fresh database.
type server struct {
	version string
	number  float64 // 6.0, 7.0
	url     string  // of the frontend
	trapper string
	session string // of Admin

	writing sync.Mutex // one change of Zabbix's configuration at a time: they can deadlock in its database
}

// onEach runs a test for each version of Zabbix, in parallel. E2E_ZABBIX names the versions ("6.0 7.0" by default), which e2e/zabbix.sh
// must have installed.
func onEach(t *testing.T, test func(t *testing.T, version string)) {
	versions := os.Getenv("E2E_ZABBIX")
	if versions == "" {
		versions = "6.0 7.0"
	}
	for _, version := range strings.Fields(versions) {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			test(t, version)
		})
	}
}

// onEachZabbix runs a test on a fresh Zabbix of each version.
func onEachZabbix(t *testing.T, test func(t *testing.T, z *server)) {
	onEach(t, func(t *testing.T, version string) {
		t.Cleanup(func() { script(t, nil, version, "stop") })
		test(t, startZabbix(t, version))
	})
}

// besideOthers runs a test on a Zabbix of each version that it shares with the other tests that run beside each other: they mostly wait for
// Zabbix. Each has objects of its own there (build), and its relay's user sees no other's. With the flag -parallel they run at once.
func besideOthers(t *testing.T, test func(t *testing.T, z *server)) {
	t.Parallel()
	onEach(t, func(t *testing.T, version string) { test(t, share(t, version)) })
}

// shared are the Zabbixes that tests share, by version.
var shared = struct {
	sync.Mutex
	running map[string]*server
	users   map[string]int
}{running: map[string]*server{}, users: map[string]int{}}

// share returns the shared Zabbix of a version. The first test that uses it starts it, and the last one stops it.
func share(t *testing.T, version string) *server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	shared.users[version]++
	t.Cleanup(func() {
		shared.Lock()
		defer shared.Unlock()
		if shared.users[version]--; shared.users[version] == 0 {
			delete(shared.running, version)
			script(t, nil, version, "stop")
		}
	})
	if shared.running[version] == nil {
		shared.running[version] = startZabbix(t, version)
	}
	return shared.running[version]
}

func startZabbix(t *testing.T, version string) *server {
	t.Helper()
	began := time.Now()
	script(t, nil, version, "reset")
	env := map[string]string{}
	for _, line := range strings.Fields(script(t, nil, version, "env")) {
		name, value, _ := strings.Cut(line, "=")
		env[name] = value
	}
	z := &server{version: version, url: env["ZABBIX_URL"], trapper: env["ZABBIX_TRAPPER"]}
	number, err := strconv.ParseFloat(version, 64)
	require.NoError(t, err)
	z.number = number
	require.True(t, strings.HasPrefix(z.call(t, "apiinfo.version", []any{}).(string), version+"."))
	z.session = z.call(t, "user.login", object{"username": env["ZABBIX_USER"], "password": env["ZABBIX_PASSWORD"]}).(string)
	t.Logf("Zabbix %s is up after %s", version, time.Since(began).Round(100*time.Millisecond))
	return z
}

// script runs e2e/zabbix.sh and returns its output.
func script(t *testing.T, stdin io.Reader, args ...string) string {
	t.Helper()
	out, err := tryScript(stdin, args...)
	require.NoError(t, err)
	return out
}

func tryScript(stdin io.Reader, args ...string) (string, error) {
	cmd := exec.Command("./zabbix.sh", args...)
	var out, fault bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &fault
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("zabbix.sh %.60q: %w: %s", args, err, fault.String())
	}
	return out.String(), nil
}

type object = map[string]any

type apiError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    string `json:"data"`
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s %s", e.Code, e.Message, e.Data) }

// try calls the API with a session or a token, as this version expects it.
func (z *server) try(auth, method string, params any) (any, error) {
	if !strings.HasSuffix(method, ".get") {
		z.writing.Lock()
		defer z.writing.Unlock()
	}
	request := object{"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
	if auth != "" && z.number < 6.4 {
		request["auth"] = auth
	}
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, z.url+"/api_jsonrpc.php", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json-rpc")
	if auth != "" && z.number >= 6.4 {
		req.Header.Set("Authorization", "Bearer "+auth)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Result any       `json:"result"`
		Error  *apiError `json:"error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", method, resp.Status, err)
	}
	if answer.Error != nil {
		return nil, fmt.Errorf("%s: %w", method, answer.Error)
	}
	return answer.Result, nil
}

// call is try as Admin; an error fails the test.
func (z *server) call(t *testing.T, method string, params any) any {
	t.Helper()
	result, err := z.try(z.session, method, params)
	require.NoError(t, err)
	return result
}

// create creates one object and returns its id.
func (z *server) create(t *testing.T, method, ids string, params object) string {
	t.Helper()
	return z.call(t, method, params).(object)[ids].([]any)[0].(string)
}

// rows is call for a "get".
func (z *server) rows(t *testing.T, method string, params object) []object {
	t.Helper()
	var rows []object
	for _, row := range z.call(t, method, params).([]any) {
		rows = append(rows, row.(object))
	}
	return rows
}

// exchange sends a message to Zabbix's trapper port and returns the answer. Both have a header, a length and JSON.
func (z *server) exchange(message any) (object, error) {
	body, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	conn, err := net.DialTimeout("tcp", z.trapper, 5*time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	packet := append([]byte("ZBXD\x01"), make([]byte, 8)...)
	binary.LittleEndian.PutUint32(packet[5:], uint32(len(body)))
	if _, err := conn.Write(append(packet, body...)); err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return nil, err
	}
	if len(answer) < 13 {
		return nil, errors.New("the server closed the connection")
	}
	var out object
	return out, json.Unmarshal(answer[13:], &out)
}

// send sends values of the host to the trapper, as zabbix_sender does, and returns how many were processed.
func (w *world) send(t *testing.T, values map[string]string) int {
	t.Helper()
	var data []object
	for key, value := range values {
		data = append(data, object{"host": w.hostName, "key": key, "value": value})
	}
	answer, err := w.exchange(object{"request": "sender data", "data": data})
	require.NoError(t, err)
	var took int
	_, err = fmt.Sscanf(answer["info"].(string), "processed: %d;", &took)
	require.NoError(t, err, answer)
	return took
}

// set sends one value, which must be processed.
func (w *world) set(t *testing.T, key, value string) {
	t.Helper()
	require.Equal(t, 1, w.send(t, map[string]string{key: value}))
}

// waited logs a long wait, since the time of these tests is that of their waits.
func waited(t *testing.T, what string, began time.Time) {
	if took := time.Since(began); took > 2*time.Second {
		t.Logf("waited %s: %s", took.Round(100*time.Millisecond), what)
	}
}

// eventually calls check until it returns no error.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	began := time.Now()
	for {
		err := check()
		if err == nil {
			waited(t, what, began)
			return
		}
		if time.Since(began) > patience {
			require.NoError(t, err, "after %s: %s", patience, what)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// world is what a test sets up in a Zabbix: a media type that points to the test's listener, its service user, people, a host.
type world struct {
	*server
	letter      string // in the names of its objects
	hostName    string
	visibleName string
	group       string // host group
	mediatype   string
	relay, bob  string // user ids; relay has the media
	relayToken  string
	bobToken    string
	host        string
	itemID      map[string]string
	triggerID   map[string]string
	actionID    string
	destination zabbix.Settings
}

// worlds counts the worlds, to give each a letter.
var worlds atomic.Int32

// newWorld returns a world in which there is nothing yet.
func newWorld(z *server) *world {
	letter := string('A' + rune(worlds.Add(1)-1)%26)
	return &world{server: z, letter: letter, hostName: "sw" + letter, visibleName: "Core switch " + letter, itemID: map[string]string{}, triggerID: map[string]string{}}
}

// inGroup makes the host group, and the host in it.
func (w *world) inGroup(t *testing.T) {
	t.Helper()
	w.group = w.create(t, "hostgroup.create", "groupids", object{"name": "Network " + w.letter})
	w.host = w.create(t, "host.create", "hostids", object{"host": w.hostName, "name": w.visibleName, "groups": []object{{"groupid": w.group}},
		"interfaces": []object{{"type": 1, "main": 1, "useip": 1, "ip": "127.0.0.1", "dns": "", "port": "10050"}}})
}

// build sets up a world. The media type's retry interval is one second, to keep tests short.
func (z *server) build(t *testing.T, destination zabbix.Settings, mediaType string) *world {
	t.Helper()
	w := newWorld(z)
	w.destination = destination
	file := zabbix.Filled(destination)
	for old, replacement := range map[string]string{"attempt_interval: 30s": "attempt_interval: 1s", "name: '" + zabbix.Name + "'": "name: '" + mediaType + "'"} {
		require.Contains(t, string(file), old)
		file = bytes.Replace(file, []byte(old), []byte(replacement), 1)
	}
	z.call(t, "configuration.import", object{"format": "yaml", "source": string(file),
		"rules": object{"mediaTypes": object{"createMissing": true, "updateExisting": true}}})
	w.mediatype = z.rows(t, "mediatype.get", object{"filter": object{"name": mediaType}})[0]["mediatypeid"].(string)

	w.inGroup(t)
	people := w.userGroup(t)
	w.relay = w.user(t, "relay", people, object{"timezone": "UTC", "medias": []object{{"mediatypeid": w.mediatype, "sendto": "noc", "active": 0,
		"severity": 63, "period": "1-7,00:00-24:00"}}})
	w.bob = w.user(t, "bob", people, object{"name": "Bob", "surname": "Builder"})
	w.relayToken, w.bobToken = w.token(t, w.relay), w.token(t, w.bob)
	w.actionID = w.action(t)
	return w
}

// userGroup creates a user group with read-write permission on the host group.
func (w *world) userGroup(t *testing.T) string {
	t.Helper()
	rights := "hostgroup_rights"
	if w.number < 6.2 {
		rights = "rights"
	}
	return w.create(t, "usergroup.create", "usrgrpids", object{"name": "NOC " + w.letter, rights: []object{{"id": w.group, "permission": 3}}})
}

// user creates a user of the type User in a user group.
func (w *world) user(t *testing.T, name, group string, more object) string {
	t.Helper()
	role := w.rows(t, "role.get", object{"filter": object{"type": 1}, "sortfield": "roleid"})[0]["roleid"].(string)
	more["username"], more["passwd"], more["roleid"], more["usrgrps"] = name+"-"+w.letter, "Gr4nite-Harbour", role, []object{{"usrgrpid": group}}
	return w.create(t, "user.create", "userids", more)
}

func (w *world) token(t *testing.T, user string) string {
	t.Helper()
	id := w.create(t, "token.create", "tokenids", object{"name": "e2e", "userid": user})
	return w.call(t, "token.generate", []string{id}).([]any)[0].(object)["token"].(string)
}

// action creates an action that sends problems, recoveries and updates to the service user, with the media type's own templates.
func (w *world) action(t *testing.T) string {
	t.Helper()
	operation := func() object {
		return object{"operationtype": 0, "opmessage": object{"default_msg": 1, "mediatypeid": w.mediatype}, "opmessage_usr": []object{{"userid": w.relay}}}
	}
	first := operation()
	first["esc_step_from"], first["esc_step_to"], first["esc_period"] = 1, 1, "0"
	// pause_suppressed and the other fields have the defaults of the form.
	return w.create(t, "action.create", "actionids", object{"name": "To Webex " + w.letter, "eventsource": 0, "status": 0,
		"esc_period": "1m", "filter": object{"evaltype": 1, "conditions": []any{}},
		"operations": []object{first}, "recovery_operations": []object{operation()}, "update_operations": []object{operation()}})
}

// trigger creates a trapper item, and a trigger that fires while the item's value is, or begins with, "1".
func (w *world) trigger(t *testing.T, key, name string, more object) {
	t.Helper()
	item := object{"hostid": w.host, "name": "Item " + key, "key_": key, "type": 2, "value_type": 3, "history": "1d"}
	trigger := object{"description": name, "expression": fmt.Sprintf("last(/%s/%s)=1", w.hostName, key), "priority": 3, "manual_close": 1}
	if more["text"] == true {
		delete(more, "text")
		item["value_type"] = 4
		trigger["expression"] = fmt.Sprintf(`find(/%s/%s,,"regexp","^1")=1`, w.hostName, key)
	}
	for k, v := range more {
		trigger[k] = v
	}
	w.itemID[key] = w.create(t, "item.create", "itemids", item)
	w.triggerID[key] = w.create(t, "trigger.create", "triggerids", trigger)
}

// awaitConfiguration waits until the server knows all items, triggers and macros that exist. It reloads its cache every second, in
// several steps. What it knows of items doesn't tell about triggers and macros, so an item is made, and another one when the server
// knows the first: that reload began when all else existed.
func (w *world) awaitConfiguration(t *testing.T) {
	t.Helper()
	for range 2 {
		key := fmt.Sprint("reload", len(w.itemID))
		w.itemID[key] = w.create(t, "item.create", "itemids", object{"hostid": w.host, "name": key, "key_": key, "type": 2, "value_type": 3, "history": "1d"})
		values := map[string]string{}
		for key := range w.itemID {
			values[key] = "0"
		}
		eventually(t, "the server accepts values for all items", func() error {
			if took := w.send(t, values); took != len(values) {
				return fmt.Errorf("processed %d of %d", took, len(values))
			}
			return nil
		})
	}
}

// acknowledge is Bob's update in Zabbix's frontend.
func (w *world) acknowledge(t *testing.T, event string, action int, more object) {
	t.Helper()
	params := object{"eventids": []string{event}, "action": action}
	for k, v := range more {
		params[k] = v
	}
	_, err := w.try(w.bobToken, "event.acknowledge", params)
	require.NoError(t, err)
}

// Bits of event.acknowledge.
const (
	bitClose = 1 << iota
	bitAck
	bitMessage
	bitSeverity
)

// alerts returns Zabbix's attempts to send an event, with their status.
func (w *world) alerts(t *testing.T, event string) []object {
	t.Helper()
	return w.rows(t, "alert.get", object{"eventids": []string{event}, "output": "extend", "sortfield": "alertid"})
}
