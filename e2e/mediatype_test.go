//go:build e2e

package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"nms-alert-relay/zabbix"
)

const secret = `s3cret-of "main" \ 'Zürich'`

// receiver is the relay as the media type sees it: it checks signatures, records events, and gives the answers that the test sets.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	events []map[string]string
	raw    []string
	status []int // of the next answers; then 202
	answer string
	came   chan struct{}
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{came: make(chan struct{}, 1000)}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the sender will try again
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if req.URL.Path != "/v1/zabbix/events" {
		http.NotFound(w, req)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	stamp := req.Header.Get("X-Relay-Timestamp")
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "." + string(body)))
	seconds, _ := strconv.ParseInt(stamp, 10, 64)
	age := time.Since(time.Unix(seconds, 0))
	if req.Header.Get("X-Relay-Signature") != "sha256="+hex.EncodeToString(mac.Sum(nil)) || age.Abs() > time.Minute {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"the signature does not fit"}`)
		return
	}
	if len(r.status) > 0 {
		status := r.status[0]
		r.status = r.status[1:]
		w.WriteHeader(status)
		fmt.Fprint(w, r.answer)
		return
	}
	var event map[string]string
	if err := json.Unmarshal(body, &event); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"faults":[{"field":"body","what":%q}]}`, err.Error())
		return
	}
	r.events, r.raw = append(r.events, event), append(r.raw, string(body))
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"problem":"main/%s","result":"kept","tags":{"relay_link":"https://relay.example.com/m/%s"}}`, event["EVENT.ID"], event["EVENT.ID"])
	r.came <- struct{}{}
}

func (r *receiver) refuse(answer string, status ...int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer, r.status = answer, status
}

// wait returns the next event that match accepts, and drops others.
func (r *receiver) wait(t *testing.T, what string, match func(map[string]string) bool) map[string]string {
	t.Helper()
	began, deadline := time.Now(), time.After(patience)
	for {
		r.mu.Lock()
		for i, event := range r.events {
			if match(event) {
				r.events = r.events[i+1:]
				r.mu.Unlock()
				waited(t, what, began)
				return event
			}
		}
		r.events = nil
		r.mu.Unlock()
		select {
		case <-r.came:
		case <-deadline:
			require.Fail(t, "not received: "+what)
		}
	}
}

func of(trigger string, macros ...string) func(map[string]string) bool {
	return func(event map[string]string) bool {
		for i := 0; i < len(macros); i += 2 {
			if event[macros[i]] != macros[i+1] {
				return false
			}
		}
		return event["TRIGGER.ID"] == trigger
	}
}

const hostile = "Ünïcødé 磁盘 🔥 \"quoted\" \\back\\ <@all> \u202egnp.exe\x01 line\nbreak {\"a\":\"b\",\"c\":\"d\"}"

// The shipped media type on a real Zabbix: its events, signatures, retries and error messages.
func TestMediaType(t *testing.T) {
	besideOthers(t, func(t *testing.T, z *server) {
		r := newReceiver(t)
		w := z.build(t, zabbix.Settings{URL: r.URL + "/", Secret: secret, Source: "main"}, "Webex of "+t.Name())
		w.trigger(t, "plain", "Link down on {HOST.NAME}", nil)
		w.trigger(t, "hostile", "Value: {ITEM.VALUE}", object{"text": true, "opdata": "{ITEM.LASTVALUE1}"})
		w.trigger(t, "long", "Long", object{"text": true, "opdata": "{ITEM.LASTVALUE1}"})
		w.trigger(t, "longer", "Longer", object{"text": true, "opdata": "{ITEM.LASTVALUE1}"})
		w.awaitConfiguration(t)

		t.Run("a problem arrives, signed, and gets its link", func(t *testing.T) {
			w.set(t, "plain", "1")
			e := r.wait(t, "problem", of(w.triggerID["plain"], "EVENT.VALUE", "1"))
			require.Equal(t, "Link down on "+w.visibleName, e["EVENT.NAME"])
			require.Equal(t, "main", e["SOURCE"])
			require.Equal(t, "noc", e["ALERT.SENDTO"])
			require.Equal(t, "3", e["EVENT.NSEVERITY"])
			require.Equal(t, w.hostName, e["HOST.HOST"])
			require.Equal(t, w.actionID, e["ACTION.ID"])
			require.Equal(t, w.itemID["plain"], e["ITEM.ID"])
			require.Equal(t, "{EVENT.UPDATE.ACTION}", e["EVENT.UPDATE.ACTION"], "unresolved outside of an update")
			for _, name := range []string{"URL", "SECRET", "HTTP_PROXY", "SALVAGED"} {
				require.NotContains(t, e, name)
			}
			eventually(t, "the tag is kept with the problem", func() error {
				for _, tag := range w.rows(t, "problem.get", object{"eventids": []string{e["EVENT.ID"]}, "selectTags": "extend"})[0]["tags"].([]any) {
					if tag.(object)["tag"] == "relay_link" && tag.(object)["value"] == "https://relay.example.com/m/"+e["EVENT.ID"] {
						return nil
					}
				}
				return fmt.Errorf("no relay_link")
			})

			w.acknowledge(t, e["EVENT.ID"], bitAck|bitMessage|bitSeverity, object{"message": hostile, "severity": 5})
			u := r.wait(t, "update", of(w.triggerID["plain"], "EVENT.UPDATE.STATUS", "1"))
			require.Equal(t, e["EVENT.ID"], u["EVENT.ID"])
			require.Equal(t, hostile, u["EVENT.UPDATE.MESSAGE"])
			require.Equal(t, "acknowledged, commented and changed severity from Average to Disaster", u["EVENT.UPDATE.ACTION"])
			require.Equal(t, "Bob Builder (bob-"+w.letter+")", u["USER.FULLNAME"])
			require.Equal(t, "5", u["EVENT.NSEVERITY"])
			require.Equal(t, "Yes", u["EVENT.ACK.STATUS"])
			require.Contains(t, u["EVENT.TAGSJSON"], "relay_link")

			w.set(t, "plain", "0")
			v := r.wait(t, "recovery", of(w.triggerID["plain"], "EVENT.VALUE", "0"))
			require.Equal(t, e["EVENT.ID"], v["EVENT.ID"])
			require.Regexp(t, `^\d+$`, v["EVENT.RECOVERY.ID"])
		})

		t.Run("text arrives unchanged", func(t *testing.T) {
			w.set(t, "hostile", "1 "+hostile)
			e := r.wait(t, "problem", of(w.triggerID["hostile"]))
			require.Equal(t, "1 "+hostile, e["EVENT.OPDATA"])
			require.Equal(t, "Value: 1 "+hostile, e["EVENT.NAME"])
		})

		t.Run("an unreachable relay is retried", func(t *testing.T) {
			r.refuse(`{"error":"draining"}`, 503, 503, 429)
			w.set(t, "plain", "1")
			e := r.wait(t, "problem", of(w.triggerID["plain"], "EVENT.VALUE", "1"))
			eventually(t, "sent in the end", func() error {
				if a := w.alerts(t, e["EVENT.ID"])[0]; a["status"] != "1" {
					return fmt.Errorf("status %v, error %q", a["status"], a["error"])
				}
				return nil
			})
			w.set(t, "plain", "0")
			r.wait(t, "recovery", of(w.triggerID["plain"], "EVENT.VALUE", "0"))
		})

		t.Run("Zabbix shows the relay's faults", func(t *testing.T) {
			var always []int
			for range 200 {
				always = append(always, 400)
			}
			r.refuse(`{"faults":[{"field":"event.id","what":"is no number","hint":"import the media type again"},{"field":"event.value","what":"is missing"}]}`, always...)
			w.set(t, "plain", "1")
			eventually(t, "the alert shows the fault", func() error {
				for _, a := range w.rows(t, "alert.get", object{"objectids": []string{w.triggerID["plain"]}, "output": "extend"}) {
					if strings.Contains(a["error"].(string), "The relay cannot use this event: event.id: is no number (import the media type again); event.value: is missing") {
						return nil
					}
				}
				return fmt.Errorf("no alert with it")
			})
			r.refuse("")
			r.wait(t, "problem", of(w.triggerID["plain"], "EVENT.VALUE", "1"))
		})

		t.Run("the Test button says where the message went", func(t *testing.T) {
			answer := w.pressTest(t, nil)
			require.Equal(t, "success", answer["response"], answer)
			e := r.wait(t, "test", func(e map[string]string) bool { return e["EVENT.ID"] == "{EVENT.ID}" })
			require.Equal(t, "{ALERT.SENDTO}", e["ALERT.SENDTO"])
			require.Contains(t, answer["data"], `"result":"kept"`)
		})

		t.Run("the error names a missing or invalid setting", func(t *testing.T) {
			for _, c := range []struct{ parameter, value, says string }{
				{"URL", "<URL of the relay>", "The parameter URL of this media type is not set"},
				{"URL", "", "The parameter URL of this media type is not set"},
				{"URL", "relay.example.com", `must begin with http:// or https://, got "relay.example.com"`},
				{"URL", "http://127.0.0.1:1", "No answer from http://127.0.0.1:1/v1/zabbix/events"},
				{"URL", r.URL + "/elsewhere", "There is no relay at " + r.URL + "/elsewhere/v1/zabbix/events (404)"},
				{"SECRET", "{$RELAY.SECRET}", "The macro {$RELAY.SECRET} has no value here"},
				{"SECRET", "wrong", "does not accept the signature. Compare SECRET"},
				{"HTTP_PROXY", "127.0.0.1:1", "No answer from"},
				{"EVENT.ID", "", "The parameter EVENT.ID is missing"},
			} {
				answer := w.pressTest(t, map[string]string{c.parameter: c.value})
				require.Equal(t, "failed", answer["response"], c)
				require.Contains(t, answer["error"].(string)+answer["info"].(string), c.says)
				require.NotContains(t, fmt.Sprint(answer["error"], answer["info"]), secret)
			}
		})

		t.Run("an event is salvaged from settings that Zabbix cut", func(t *testing.T) {
			w.set(t, "long", "1"+strings.Repeat("x", 65000))
			e := r.wait(t, "problem", of(w.triggerID["long"]))
			require.Equal(t, "1", e["SALVAGED"])
			require.Equal(t, "1", e["EVENT.VALUE"])
			require.Equal(t, "Long", e["EVENT.NAME"])
			require.NotContains(t, e, "EVENT.OPDATA")
			w.set(t, "long", "0")
			v := r.wait(t, "recovery", of(w.triggerID["long"], "EVENT.VALUE", "0"))
			require.NotContains(t, v, "SALVAGED", "the value after the recovery is short")
		})

		t.Run("settings cut off after a change by hand come from the script", func(t *testing.T) {
			w.changeSecret(t, secret+" ")
			w.changeSecret(t, secret)
			w.set(t, "longer", "1"+strings.Repeat("x", 65000))
			e := r.wait(t, "problem", of(w.triggerID["longer"]))
			require.Equal(t, "1", e["SALVAGED"])
			require.Equal(t, "main", e["SOURCE"])
		})

		t.Run("the secret may be in a global macro", func(t *testing.T) {
			w.call(t, "usermacro.createglobal", object{"macro": "{$RELAY.SECRET}", "value": secret, "type": 1})
			w.awaitConfiguration(t)
			w.changeSecret(t, "{$RELAY.SECRET}")
			w.set(t, "plain", "1")
			e := r.wait(t, "problem", of(w.triggerID["plain"], "EVENT.VALUE", "1"))
			require.NotContains(t, e, "SALVAGED")
		})
	})
}

// The script in Zabbix's own interpreter: wherever the text is cut, everything before the cut is sent, and never a broken value.
func TestMediaTypeSalvage(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, version string) {
		r := newReceiver(t)
		pairs := [][2]string{{"URL", r.URL}, {"SECRET", secret}, {"SOURCE", ""}, {"EVENT.ID", "4711"}, {"EVENT.NAME", hostile},
			{"ALERT.SENDTO", "noc"}, {"EVENT.OPDATA", `ends in a quote and a comma ",`}, {"ALERT.MESSAGE", `","EVENT.ID":"1`}, {"HOST.NAME", "sw1"}}
		var parts []string
		want := map[string]string{}
		for _, p := range pairs {
			name, err := json.Marshal(p[0])
			require.NoError(t, err)
			value, err := json.Marshal(p[1])
			require.NoError(t, err)
			parts, want[p[0]] = append(parts, string(name)+":"+string(value)), p[1]
		}
		text := "{" + strings.Join(parts, ",") + "}"
		first := strings.Index(text, `,"EVENT.NAME"`) + 2
		for cut := first; cut <= len(text); cut += 5 {
			for !utf8.RuneStart((text + "x")[cut]) {
				cut++
			}
			out, err := runScript(t, version, text[:cut])
			require.NoError(t, err, "cut at %d: %s", cut, text[:cut])
			require.Contains(t, out, "relay_link")
			e := r.wait(t, "event", func(map[string]string) bool { return true })
			for name, value := range e {
				if name != "SALVAGED" {
					require.Equal(t, want[name], value, "%s, cut at %d", name, cut)
				}
			}
			require.Equal(t, "4711", e["EVENT.ID"])
			require.Equal(t, cut < len(text), e["SALVAGED"] == "1", "cut at %d", cut)
		}
	})
}

// runScript runs the media type's script in the interpreter of a version of Zabbix.
func runScript(t *testing.T, version, value string) (string, error) {
	t.Helper()
	var file struct {
		Export struct {
			MediaTypes []struct {
				Script string `yaml:"script"`
			} `yaml:"media_types"`
		} `yaml:"zabbix_export"`
	}
	require.NoError(t, yaml.Unmarshal(zabbix.MediaType, &file))
	// zabbix_js reads a script from its standard input, a value of any length from its arguments.
	return tryScript(strings.NewReader(file.Export.MediaTypes[0].Script), version, "js", "-s", "-", "-p", value)
}

// pressTest sends the media type's parameters to the server, some of them replaced, as its Test window does.
func (w *world) pressTest(t *testing.T, typed map[string]string) object {
	t.Helper()
	parameters := map[string]string{}
	for _, p := range w.rows(t, "mediatype.get", object{"mediatypeids": []string{w.mediatype}, "output": "extend"})[0]["parameters"].([]any) {
		name, value := p.(object)["name"].(string), p.(object)["value"].(string)
		if v, ok := typed[name]; ok {
			value = v
		}
		parameters[name] = value
	}
	answer, err := w.exchange(object{"request": "alert.send", "sid": w.session,
		"data": object{"mediatypeid": w.mediatype, "parameters": parameters}})
	require.NoError(t, err)
	for _, field := range []string{"error", "info"} {
		if answer[field] == nil {
			answer[field] = ""
		}
	}
	return answer
}

// changeSecret changes the secret as the media type's form does.
func (w *world) changeSecret(t *testing.T, value string) {
	t.Helper()
	parameters := w.rows(t, "mediatype.get", object{"mediatypeids": []string{w.mediatype}, "output": "extend"})[0]["parameters"].([]any)
	for _, p := range parameters {
		if p.(object)["name"] == "SECRET" {
			p.(object)["value"] = value
		}
	}
	w.call(t, "mediatype.update", object{"mediatypeid": w.mediatype, "parameters": parameters})
}
