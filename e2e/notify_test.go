//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
)

// The play in docs/examples/ansible, run by Debian's Ansible, reports its own success and failure.
func TestNotifyAnsible(t *testing.T) {
	ansible, err := exec.LookPath("ansible-playbook")
	require.NoError(t, err, "`.ci/run notify` installs ansible-core")
	webex, api := webexWorld(t, webexsim.Options{})
	const token = "token-of-the-control-node"
	relay := startRelay(t, fmt.Sprintf(`
webex: {api_url: %s, bots: [{name: noc, token_env: E2E_BOT, listen: off}]}
rooms: [{name: noc, id: %s, bot: noc}]
default_rooms: [noc]
people: [{domain: example.com, role: viewer}]
notify: [{name: ansible, token_env: E2E_NOTIFY, rooms: [noc]}]
`, api, webexsim.RoomID("noc")), "E2E_BOT="+webexsim.DefaultBotToken, "E2E_NOTIFY="+token)
	dir := t.TempDir()
	run := func(web2 string) (output string, failed error) {
		t.Helper()
		hosts := filepath.Join(dir, "hosts")
		require.NoError(t, os.WriteFile(hosts, []byte(fmt.Sprintf(`
[web]
web1 update_command=true
web2 update_command="%s"
[all:vars]
ansible_connection=local
ansible_python_interpreter=/usr/bin/python3
`, web2)), 0o600))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, ansible, "-i", hosts, "../docs/examples/ansible/update.yml", "-e", "relay_url=http://"+relay.public)
		cmd.Env = append(os.Environ(), "ALERT_RELAY_TOKEN="+token, "ANSIBLE_HOME="+dir, "ANSIBLE_LOCAL_TEMP="+dir, "ANSIBLE_REMOTE_TEMP="+dir,
			"ANSIBLE_NOCOLOR=1", "ANSIBLE_PIPELINING=1", "LC_ALL=C.UTF-8")
		out, err := cmd.CombinedOutput()
		require.NotContains(t, string(out), token)
		return string(out), err
	}
	// shown waits until the room shows as many messages, of which the last ones are these: text, file, and whether it is a reply.
	shown := func(want ...string) {
		t.Helper()
		var got []string
		require.Eventually(t, func() bool {
			got = nil
			for _, r := range webex.State().Rooms {
				if r.Name != "noc" {
					continue
				}
				for _, m := range r.Messages {
					words := m.Text
					if m.ParentID != "" {
						words = "> " + words
					}
					for _, f := range m.Files {
						words += " [" + f.Name + "] " + string(f.Content)
					}
					got = append(got, words)
				}
			}
			return len(got) == len(want) && strings.HasPrefix(got[len(got)-1], want[len(want)-1])
		}, time.Minute, 50*time.Millisecond, "%q", &got)
		for i, prefix := range want {
			require.True(t, strings.HasPrefix(got[i], prefix), "expected %q, got %q", prefix, got[i])
		}
	}

	out, err := run("true")
	require.NoError(t, err, out)
	shown("✅ Update of the web servers is done on 2 hosts after ")
	require.Contains(t, relay.log.String(), "op=notice_edit", "the message said before that it is running")

	out, err = run("sh -c 'echo disk is full >&2; exit 3'")
	require.Error(t, err)
	require.Contains(t, out, "Failed on web2")
	shown("✅ Update of the web servers is done",
		"🟧 High · Update of the web servers failed on 1 of 2 hosts after ",
		"> Failed on web2 [errors.txt] web2: Update it: non-zero return code disk is full")
}
