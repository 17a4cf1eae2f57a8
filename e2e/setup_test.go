//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/zabbix"
)

const setupConfig = `
webex:
  api_url: %s
  bots: [{name: noc, token_env: E2E_BOT, listen: webhook}]
zabbix:
  - {name: main, url: %q, api_token_file: zabbix-token, secret_file: relay-secret}
rooms:
  - {name: noc, id: %s, bot: noc}
default_rooms: [noc]
people:
  - {email: alice@example.com, role: admin}
scripts: [{name: whoami, script: Who am I}]
allowed_domains: [example.com]
delivery: {debounce: 200ms, rate_limit: 50}
log: {level: debug}
`

// From a fresh Zabbix to a problem that is acknowledged and closed from the room, by one command; and back.
func TestSetup(t *testing.T) {
	onEachZabbix(t, func(t *testing.T, z *server) {
		sim, api := webexWorld(t, webexsim.Options{})
		s := &story{world: newWorld(z), webex: sim, t: t, relay: newRelay(t), title: maps.Clone(titles)}
		s.inGroup(t)
		s.trigger(t, "link", titles["link"], object{})
		s.relay.configure(t, fmt.Sprintf(setupConfig, api, z.url, webexsim.RoomID("noc")), "E2E_BOT="+webexsim.DefaultBotToken)
		file := func(name, text string) string {
			path := filepath.Join(filepath.Dir(s.relay.config), name)
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			return path
		}
		file("relay-secret", secret)
		admin := s.token(t, z.rows(t, "user.get", object{"filter": object{"username": "Admin"}})[0]["userid"].(string))
		adminFile := file("admin-token", admin)
		setup := func(args ...string) string {
			t.Helper()
			cmd := exec.Command(buildRelay(t), append([]string{"setup", "zabbix", "--config", s.relay.config, "--token-file", adminFile}, args...)...)
			cmd.Env = append(os.Environ(), s.relay.env...)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			require.NotContains(t, string(out), secret)
			require.NotContains(t, string(out), admin)
			return string(out)
		}
		ours := func() int {
			return len(z.rows(t, "mediatype.get", object{"filter": object{"name": zabbix.Name}})) +
				len(z.rows(t, "user.get", object{"filter": object{"username": "alert-relay"}})) +
				len(z.rows(t, "role.get", object{"search": object{"name": "alert-relay"}})) +
				len(z.rows(t, "usergroup.get", object{"search": object{"name": "alert-relay"}})) +
				len(z.rows(t, "action.get", object{"search": object{"name": "alert-relay"}})) +
				len(z.rows(t, "usermacro.get", object{"globalmacro": true, "search": object{"macro": "ALERT_RELAY"}}))
		}

		everything := []string{"--write-host-group", "Network " + s.letter}
		for _, source := range strings.Fields("service discovery autoregistration internal") {
			everything = append(everything, "--action-source", source)
		}
		const objects = 12
		require.Contains(t, setup(append(everything, "--dry-run")...), fmt.Sprintf("nothing was changed: %d to create.", objects))
		require.Zero(t, ours())
		require.Contains(t, setup(everything...), "Done, and read back from Zabbix: everything is as it should be.")
		require.Equal(t, 10, ours())
		require.Contains(t, setup(everything...), "Nothing to do: everything is as it should be.")
		require.Contains(t, setup(), "Nothing to do: everything is as it should be.")
		token, err := os.ReadFile(filepath.Join(filepath.Dir(s.relay.config), "zabbix-token"))
		require.NoError(t, err)
		_, err = z.try(strings.TrimSpace(string(token)), "user.get", object{})
		require.ErrorContains(t, err, `No permissions to call "user.get"`)

		// Rights for maintenances and scripts are given on request, and stay.
		require.Contains(t, setup("--maintenance", "--scripts"), "Done, and read back from Zabbix: everything is as it should be.")
		require.Contains(t, setup(), "Nothing to do: everything is as it should be.")
		_, err = z.try(strings.TrimSpace(string(token)), "user.get", object{})
		require.ErrorContains(t, err, `No permissions to call "user.get"`)

		// A problem reaches the room, and what people do there reaches Zabbix.
		s.relay.start(t)
		s.awaitConfiguration(t)
		link := s.raise("link", "1")
		root := s.root("noc", link, "Link down on "+s.visibleName)
		_, err = s.webex.Say(webexsim.Line{Room: "noc", From: "alice@example.com", Text: "ack on it", ParentID: root.ID, MentionBot: true})
		require.NoError(t, err)
		ack := s.acknowledgements(link, 1)
		require.Equal(t, "6", ack["action"], "acknowledged, with a message")
		require.Contains(t, ack["message"], "alice@example.com")
		s.root("noc", link, "acknowledged")
		_, err = s.webex.Say(webexsim.Line{Room: "noc", From: "alice@example.com", Text: "close", ParentID: root.ID, MentionBot: true})
		require.NoError(t, err)
		s.root("noc", link, "resolved")

		// A maintenance and a script, in the problem's thread.
		z.call(t, "script.create", object{"name": "Who am I", "type": 0, "scope": 2, "execute_on": 1, "command": "id -un"})
		for _, step := range []struct {
			said         string
			reply        string
			maintenances int
		}{
			{"maintenance start 10m new firmware", "Started a maintenance of", 1}, {"maintenance list", "new firmware", 1}, {"maintenance stop", "Ended the maintenance of", 0},
			{"run whoami", map[bool]string{true: "with an API token (HTTP 500)", false: "Ran whoami on"}[z.version == "6.0"], 0},
		} {
			_, err = s.webex.Say(webexsim.Line{Room: "noc", From: "alice@example.com", Text: step.said, ParentID: root.ID, MentionBot: true})
			require.NoError(t, err)
			s.thread("noc", root.ID, step.reply)
			require.Len(t, z.rows(t, "maintenance.get", object{"search": object{"name": "alert-relay "}}), step.maintenances, step.said)
		}
		require.NotContains(t, s.relay.log.String(), "forbids an API method", "the role allows what the relay calls")

		// The doctor finds everything as it should be, and then what somebody breaks.
		doctor := func(args ...string) (string, error) {
			t.Helper()
			cmd := exec.Command(buildRelay(t), append([]string{"doctor", "--config", s.relay.config, "--admin", "http://" + s.relay.admin}, args...)...)
			cmd.Env = append(os.Environ(), s.relay.env...)
			out, err := cmd.CombinedOutput()
			require.NotContains(t, string(out), secret)
			require.NotContains(t, string(out), admin)
			return string(out), err
		}
		everyAction := z.rows(t, "action.get", object{"search": object{"name": "Webex (alert-relay): problems"}})
		require.Len(t, everyAction, 1)
		setAction := func(status string) {
			z.call(t, "action.update", object{"actionid": everyAction[0]["actionid"], "status": status})
		}
		out, err := doctor("--token-file", adminFile, "--room", "noc")
		require.NoError(t, err, out)
		if z.version == "6.0" {
			require.Contains(t, out, "warning  zabbix main: scripts: ")
			out = strings.Replace(out, "warning  zabbix main: scripts: ", "", 1)
		}
		require.NotRegexp(t, `(?m)^(warning|failure) `, out)
		require.Contains(t, out, "zabbix main: action Webex (alert-relay): problems (managed): enabled, with problem, recovery and update operations")
		require.Contains(t, out, "webex noc: webhooks: all are registered, active and lead to http://"+s.relay.public)
		out, err = doctor()
		require.NoError(t, err, out)
		require.Contains(t, out, "warning  zabbix main: media type and action: not checked: the relay's own token can't see them")
		setAction("1")
		out, err = doctor("--token-file", adminFile)
		require.Error(t, err)
		require.Contains(t, out, "failure  zabbix main: action: Webex (alert-relay): problems (managed) is disabled: no problem arrives")
		require.Contains(t, out, "failures: 1\n")
		setAction("0")
		s.relay.stop(t)

		// The removal leaves what somebody else made.
		require.Contains(t, setup("--remove", "--yes"), fmt.Sprintf("Done: %d objects removed.", objects))
		require.Zero(t, ours())
		z.call(t, "configuration.import", object{"format": "yaml", "source": string(zabbix.MediaType),
			"rules": object{"mediaTypes": object{"createMissing": true}}})
		require.Contains(t, setup("--remove", "--yes"), "left alone  media type "+zabbix.Name)
		require.Equal(t, 1, ours())
	})
}
