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
}

// onEachZabbix runs a test on a fresh Zabbix of each version, in parallel. E2E_ZABBIX names the versions ("6.0 7.0" by
// default), which e2e/zabbix.sh must have installed.
func onEachZabbix(t *testing.T, test func(t *testing.T, z *server)) {
	versions := os.Getenv("E2E_ZABBIX")
	if versions == "" {
		versions = "6.0 7.0"
	}
	for _, version := range strings.Fields(versions) {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			test(t, startZabbix(t, version))
		})
	}
}

func startZabbix(t *testing.T, version string) *server {
	t.Helper()
	began := time.Now()
	script(t, nil, version, "reset")
	t.Cleanup(func() { script(t, nil, version, "stop") })
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

// send sends values to the trapper, as zabbix_sender does, and returns how many were processed.
func (z *server) send(t *testing.T, host string, values map[string]string) int {
	t.Helper()
	var data []object
	for key, value := range values {
		data = append(data, object{"host": host, "key": key, "value": value})
	}
	answer, err := z.exchange(object{"request": "sender data", "data": data})
	require.NoError(t, err)
	var took int
	_, err = fmt.Sscanf(answer["info"].(string), "processed: %d;", &took)
	require.NoError(t, err, answer)
	return took
}

// set sends one value, which must be processed.
func (z *server) set(t *testing.T, host, key, value string) {
	t.Helper()
	require.Equal(t, 1, z.send(t, host, map[string]string{key: value}))
}

// eventually calls check until it returns no error.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			require.NoError(t, err, "after %s: %s", patience, what)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// world is what a test sets up in a Zabbix: a media type that points to the test's listener, its service user, people, hosts.
type world struct {
	*server
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

const (
	hostName    = "sw1"
	visibleName = "Core switch 1"
)

// build sets up a world. The media type's retry interval is one second, to keep tests short.
func (z *server) build(t *testing.T, destination zabbix.Settings) *world {
	t.Helper()
	w := &world{server: z, destination: destination, itemID: map[string]string{}, triggerID: map[string]string{}}
	file := bytes.Replace(zabbix.Filled(destination), []byte("attempt_interval: 30s"), []byte("attempt_interval: 1s"), 1)
	z.call(t, "configuration.import", object{"format": "yaml", "source": string(file),
		"rules": object{"mediaTypes": object{"createMissing": true, "updateExisting": true}}})
	w.mediatype = z.rows(t, "mediatype.get", object{"filter": object{"name": zabbix.Name}})[0]["mediatypeid"].(string)

	w.group = z.create(t, "hostgroup.create", "groupids", object{"name": "Network"})
	rights := "hostgroup_rights"
	if z.number < 6.2 {
		rights = "rights"
	}
	people := z.create(t, "usergroup.create", "usrgrpids", object{"name": "NOC", rights: []object{{"id": w.group, "permission": 3}}})
	role := z.rows(t, "role.get", object{"filter": object{"type": 1}, "sortfield": "roleid"})[0]["roleid"].(string)
	user := func(name string, more object) string {
		more["username"], more["passwd"], more["roleid"], more["usrgrps"] = name, "Gr4nite-Harbour", role, []object{{"usrgrpid": people}}
		return z.create(t, "user.create", "userids", more)
	}
	w.relay = user("relay", object{"timezone": "UTC", "medias": []object{{"mediatypeid": w.mediatype, "sendto": "noc", "active": 0,
		"severity": 63, "period": "1-7,00:00-24:00"}}})
	w.bob = user("bob", object{"name": "Bob", "surname": "Builder"})
	w.relayToken, w.bobToken = w.token(t, w.relay), w.token(t, w.bob)
	w.host = z.create(t, "host.create", "hostids", object{"host": hostName, "name": visibleName, "groups": []object{{"groupid": w.group}},
		"interfaces": []object{{"type": 1, "main": 1, "useip": 1, "ip": "127.0.0.1", "dns": "", "port": "10050"}}})
	w.actionID = w.action(t, nil)
	return w
}

func (w *world) token(t *testing.T, user string) string {
	t.Helper()
	id := w.create(t, "token.create", "tokenids", object{"name": "e2e", "userid": user})
	return w.call(t, "token.generate", []string{id}).([]any)[0].(object)["token"].(string)
}

// action creates an action that sends problems, recoveries and updates to the service user, with the media type's own templates or
// with message.
func (w *world) action(t *testing.T, message object) string {
	t.Helper()
	if message == nil {
		message = object{"default_msg": 1}
	}
	message["mediatypeid"] = w.mediatype
	operation := func() object {
		return object{"operationtype": 0, "opmessage": message, "opmessage_usr": []object{{"userid": w.relay}}}
	}
	first := operation()
	first["esc_step_from"], first["esc_step_to"], first["esc_period"] = 1, 1, "0"
	// pause_suppressed and the other fields have the defaults of the form.
	return w.create(t, "action.create", "actionids", object{"name": fmt.Sprintf("To Webex %v", message["default_msg"]), "eventsource": 0, "status": 0,
		"esc_period": "1m", "filter": object{"evaltype": 1, "conditions": []any{}},
		"operations": []object{first}, "recovery_operations": []object{operation()}, "update_operations": []object{operation()}})
}

// trigger creates a trapper item, and a trigger that fires while the item's value is, or begins with, "1".
func (w *world) trigger(t *testing.T, key, name string, more object) {
	t.Helper()
	item := object{"hostid": w.host, "name": "Item " + key, "key_": key, "type": 2, "value_type": 3, "history": "1d"}
	trigger := object{"description": name, "expression": fmt.Sprintf("last(/%s/%s)=1", hostName, key), "priority": 3, "manual_close": 1}
	if more["text"] == true {
		delete(more, "text")
		item["value_type"] = 4
		trigger["expression"] = fmt.Sprintf(`find(/%s/%s,,"regexp","^1")=1`, hostName, key)
	}
	for k, v := range more {
		trigger[k] = v
	}
	w.itemID[key] = w.create(t, "item.create", "itemids", item)
	w.triggerID[key] = w.create(t, "trigger.create", "triggerids", trigger)
}

// awaitItems waits until the server knows all items; it reloads its cache every second.
func (w *world) awaitItems(t *testing.T) {
	t.Helper()
	values := map[string]string{}
	for key := range w.itemID {
		values[key] = "0"
	}
	eventually(t, "the server accepts values for all items", func() error {
		if took := w.send(t, hostName, values); took != len(values) {
			return fmt.Errorf("processed %d of %d", took, len(values))
		}
		return nil
	})
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
