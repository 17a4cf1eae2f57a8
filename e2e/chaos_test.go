//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/zabbix"
)

const chaosConfig = `
webex:
  api_url: %s
  bots: [{name: noc, token_env: E2E_BOT, listen: off}]
zabbix:
  - {name: main, url: %q, send_to: ignore, timeout: 2s, api_token_env: E2E_API, secret_env: E2E_SECRET}
rooms:
  - {name: noc, id: %s, bot: noc}
  - {name: db, id: %s, bot: noc}
routes:
  - {match: {tags: ["service=db"]}, rooms: [db]}
default_rooms: [noc]
people: [{domain: example.com, role: viewer}]
storm: {threshold: 100000, window: 1h, individual: disaster}
delivery: {debounce: 200ms, rate_limit: 50}
reconcile: {interval: 2s}
log: {level: debug}
`

const (
	chaosTriggers = 40
	chaosFlapping = 3 // of them
)

// A tenth of Zabbix's messages is lost in each way in which networks lose them, Zabbix's API fails at times, and the relay is killed at
// random moments, while problems open, change and resolve. Then each room shows exactly what Zabbix holds, once.
//
// By default one short run. E2E_CHAOS=10 makes ten of a minute each beside each other, E2E_SEED sets the first seed.
func TestChaos(t *testing.T) {
	runs, span, seed := 1, 6*time.Second, uint64(1)
	for name, set := range map[string]func(uint64){
		"E2E_CHAOS": func(n uint64) { runs, span = int(n), time.Minute },
		"E2E_SEED":  func(n uint64) { seed = n },
	} {
		if text := os.Getenv(name); text != "" {
			n, err := strconv.ParseUint(text, 10, 64)
			require.NoError(t, err)
			set(n)
		}
	}
	besideOthers(t, func(t *testing.T, z *server) {
		for n := range uint64(runs) {
			t.Run(fmt.Sprint("E2E_SEED=", seed+n), func(t *testing.T) {
				t.Parallel()
				c := newChaos(t, z, seed+n, span)
				c.unattended = n%5 == 1
				c.rage()
				c.calm()
			})
		}
	})
}

func chaosKey(n int) string { return fmt.Sprintf("chaos%02d", n) }

// chaosTriggers creates triggers of all severities; every third one's problems are for the room db.
func (w *world) chaosTriggers(t *testing.T) {
	t.Helper()
	items, triggers := make([]object, chaosTriggers), make([]object, chaosTriggers)
	for n := range items {
		key := chaosKey(n)
		items[n] = object{"hostid": w.host, "name": "Item " + key, "key_": key, "type": 2, "value_type": 3, "history": "1d"}
		triggers[n] = object{"description": "Trouble " + key, "expression": fmt.Sprintf("last(/%s/%s)=1", w.hostName, key), "priority": 1 + n%5}
		if n%3 == 0 {
			triggers[n]["tags"] = []object{{"tag": "service", "value": "db"}}
		}
	}
	for n, id := range w.call(t, "item.create", items).(object)["itemids"].([]any) {
		w.itemID[chaosKey(n)] = id.(string)
	}
	for n, id := range w.call(t, "trigger.create", triggers).(object)["triggerids"].([]any) {
		w.triggerID[chaosKey(n)] = id.(string)
	}
}

// remark is a comment on a problem.
type remark struct{ event, text string }

// chaos is one run.
type chaos struct {
	*world
	t        *testing.T
	random   *rand.Rand
	span     time.Duration
	relay    *relayProcess
	webex    *webexsim.Server
	webhooks *webhooks
	api      *wire

	unattended bool // nobody asks for a round of reconciliation at the end

	down    bool
	kills   []time.Time
	high    map[string]bool // items with the value 1
	opened  map[string]int  // how often, by item
	touched map[string]bool // problems that somebody may act on no more, since they are about to end
	remarks []remark
	last    map[string]string // event id → its last comment
}

func newChaos(t *testing.T, z *server, seed uint64, span time.Duration) *chaos {
	sim, api := webexWorld(t, webexsim.Options{Seed: seed + 1})
	public, _ := freeAddresses(t)
	c := &chaos{t: t, span: span, random: rand.New(rand.NewPCG(seed, 1)), webex: sim, relay: newRelay(t),
		high: map[string]bool{}, opened: map[string]int{}, touched: map[string]bool{}, last: map[string]string{}}
	c.webhooks = newWebhooks(t, public, c.relay.public, rand.New(rand.NewPCG(seed, 2)))
	c.world = z.build(t, zabbix.Settings{URL: "http://" + public, Secret: secret}, "Webex of "+t.Name())
	c.call(t, "mediatype.update", object{"mediatypeid": c.mediatype, "maxattempts": "1"})
	c.chaosTriggers(t)
	c.awaitConfiguration(t)
	wire, address := flakyAPI(t, z.url, rand.New(rand.NewPCG(seed, 3)))
	c.api = wire
	c.relay.configure(t, fmt.Sprintf(chaosConfig, api, address, webexsim.RoomID("noc"), webexsim.RoomID("db")),
		"E2E_BOT="+webexsim.DefaultBotToken, "E2E_API="+c.relayToken, "E2E_SECRET="+secret)
	c.relay.start(t)
	// Zabbix has no problem: a new relay doesn't post what was open before.
	c.demand()
	return c
}

func number(t *testing.T, v any) int64 {
	t.Helper()
	n, err := strconv.ParseInt(v.(string), 10, 64)
	require.NoError(t, err)
	return n
}

// demand has the relay compare everything at once, as an operator does.
func (c *chaos) demand() {
	c.t.Helper()
	eventually(c.t, "the relay compares everything", func() error {
		cmd := exec.Command(buildRelay(c.t), "reconcile", "--config", c.relay.config)
		cmd.Env = append(os.Environ(), c.relay.env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
}

// rage is the time of faults.
func (c *chaos) rage() {
	lost := 0.1
	if c.span < time.Minute {
		lost = 0.3 // of few
	}
	c.webhooks.fail(lost)
	c.api.fail(0.2)
	end := time.Now().Add(c.span)
	within := func(least, most time.Duration) time.Time {
		return time.Now().Add(least + time.Duration(c.random.Int64N(int64(most-least))))
	}
	next := within(c.span/12, c.span/4) // kill or restart
	outage := within(c.span/8, c.span/2)
	flap := time.Now()
	for time.Now().Before(end) {
		now := time.Now()
		switch {
		case now.After(next) && c.down:
			c.up()
			next = within(c.span/12, c.span/4)
		case now.After(next):
			c.kill()
			next = within(10*time.Millisecond, c.span/12)
		case now.After(outage):
			c.api.outage(c.span / 15)
			outage = within(c.span/6, c.span/2)
		case now.After(flap):
			for n := range chaosFlapping {
				c.toggle(n)
			}
			flap = now.Add(c.span / 12)
		case c.random.IntN(2) == 0:
			c.toggle(chaosFlapping + c.random.IntN(chaosTriggers-chaosFlapping))
		default:
			c.act()
		}
		time.Sleep(time.Duration(c.random.Int64N(int64(200 * time.Millisecond))))
	}
	c.webhooks.fail(0)
	c.api.fail(0)
	if c.down {
		c.up()
	}
}

func (c *chaos) kill() {
	c.webhooks.close() // connections are refused, as by a host without the process
	c.relay.kill(c.t)
	c.kills = append(c.kills, time.Now())
	c.down = true
}

func (c *chaos) up() {
	c.relay.start(c.t)
	c.webhooks.open(c.t)
	c.down = false
}

// toggle opens or resolves the problem of a trigger. Only a few triggers flap: many flapping ones are a storm, whose digest isn't read here.
func (c *chaos) toggle(n int) {
	key, value := chaosKey(n), "1"
	if c.opened[key] > 1 && n >= chaosFlapping && !c.high[key] {
		return
	}
	if c.high[key] {
		value = "0"
		for _, p := range c.openProblems() {
			if p["objectid"] == c.triggerID[key] {
				c.touched[p["eventid"].(string)] = true
			}
		}
	}
	c.set(c.t, key, value)
	if c.high[key] = value == "1"; c.high[key] {
		c.opened[key]++
	}
}

func (c *chaos) openProblems() []object {
	return c.rows(c.t, "problem.get", object{"output": []string{"eventid", "objectid", "severity"}, "hostids": c.host, "sortfield": "eventid"})
}

// act changes a problem, as Bob does in Zabbix's frontend.
func (c *chaos) act() {
	var open []object
	for _, p := range c.openProblems() {
		if !c.touched[p["eventid"].(string)] {
			open = append(open, p)
		}
	}
	if len(open) == 0 {
		return
	}
	const unack, suppress, unsuppress = 16, 32, 64
	p := open[c.random.IntN(len(open))]
	event := p["eventid"].(string)
	said := fmt.Sprintf("remark-%d.", len(c.remarks))
	switch n := c.random.IntN(10); {
	case n < 3:
		c.acknowledge(c.t, event, bitAck, nil)
	case n < 4:
		c.acknowledge(c.t, event, unack, nil)
	case n < 6:
		c.acknowledge(c.t, event, bitSeverity, object{"severity": (number(c.t, p["severity"])-1+1+int64(c.random.IntN(4)))%5 + 1})
	case n < 8 || c.number < 6.2:
		c.acknowledge(c.t, event, bitMessage, object{"message": said})
		c.remarks, c.last[event] = append(c.remarks, remark{event, said}), said
	case n < 9:
		c.acknowledge(c.t, event, suppress, object{"suppress_until": 0})
	default:
		c.acknowledge(c.t, event, unsuppress, nil)
	}
}

// calm waits until each room shows what Zabbix holds, and that nothing is posted afterwards.
func (c *chaos) calm() {
	began := time.Now()
	eventually(c.t, "Zabbix has sent all messages", func() error {
		if left := c.rows(c.t, "alert.get", object{"output": []string{"alertid"}, "mediatypeids": c.mediatype, "filter": object{"status": []int{0, 3}}}); len(left) > 0 {
			return fmt.Errorf("%d wait", len(left))
		}
		return nil
	})
	const alone = 70 * time.Second // reconciliation's grace, and some rounds
	if !c.unattended {
		c.demand()
	}
	asked := time.Duration(0)
	for {
		differs := c.differences()
		if len(differs) == 0 {
			break
		}
		took := time.Since(began)
		require.Less(c.t, took, alone+patience, "the rooms don't show what Zabbix holds:\n%s", strings.Join(differs, "\n"))
		if c.unattended && asked == 0 && took > alone {
			// Counts don't show a lost comment, nor two changes that cancel out: the next full round is within ten minutes.
			c.t.Logf("after %s:\n%s", took.Round(time.Second), strings.Join(differs, "\n"))
			c.demand()
			asked = took
		}
		time.Sleep(500 * time.Millisecond)
	}
	took := time.Since(began)
	// Nothing changes afterwards. On a slow machine Zabbix may still report a problem, which then is open here until its recovery comes.
	for agreed := 0; agreed < 8; agreed++ {
		time.Sleep(c.span / 40)
		if differs := c.differences(); len(differs) > 0 {
			require.Less(c.t, time.Since(began), alone+patience, "the rooms show again what Zabbix doesn't hold:\n%s", strings.Join(differs, "\n"))
			agreed = -1
		}
	}
	c.report(took, asked)
}

// report prints the figures of a run.
func (c *chaos) report(took, asked time.Duration) {
	found := map[string]int{}
	for _, room := range c.webex.State().Rooms {
		for _, m := range room.Messages {
			if m.Deleted || !m.From.Bot {
				continue
			}
			if m.ParentID == "" {
				found["problems"] += strings.Count(m.Text, "Found by reconciliation")
			} else {
				found["changes"] += strings.Count(m.Text, "found by reconciliation")
			}
		}
	}
	sent, lost, ways := c.webhooks.counts()
	answered, failed, how := c.api.counts()
	c.t.Logf("Zabbix %s: %d events, %d updates with a comment; %d kills; webhooks: %d passed, %d lost %v; API: %d answered, %d failed %v; found by reconciliation: %v; agreement after %s%s",
		c.version, len(c.events()), len(c.remarks), len(c.kills), sent, lost, ways, answered, failed, how, found, took.Round(100*time.Millisecond),
		map[bool]string{true: ", asked for after " + asked.Round(time.Second).String()}[asked > 0])
}
