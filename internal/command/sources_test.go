package command

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// A source that is removed ends the commands that wait for it, with a reply; those of other sources go on. One that is added works.
func TestSourcesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.problem("main/1", "noc")
		w.problem("main/2", "noc")
		w.problem("lab/3", "noc")
		r := w.start(t)
		defer r.stop()
		w.setDown("main", true)
		r.receives("waits", Input{Text: "ack main/1", Room: "noc"})
		r.receives("waits in both", Input{Text: "ack main/2 lab/3", Room: "noc"})
		synctest.Wait()
		time.Sleep(5 * time.Minute)

		r.SetSources(map[string]Zabbix{"lab": w.zabbixes["lab"]})
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, store.CommandFailed, w.command("waits").State)
		require.Equal(t, store.CommandFailed, w.command("waits in both").State)
		require.Contains(t, w.command("waits").Outcome, "Nothing was done")
		require.Len(t, w.calls("lab"), 1)
		ended := 0
		for _, n := range w.notices() {
			if n.Dedup == "command:waits" {
				ended++
				require.Contains(t, n.Markdown, "the relay has no API token for Zabbix `main`")
			}
		}
		require.Equal(t, 1, ended, "one reply")
		r.receives("too late", Input{Text: "ack main/1 again", Room: "noc"})
		synctest.Wait()
		require.Equal(t, store.CommandFailed, w.command("too late").State)

		w.setDown("main", false)
		r.SetSources(map[string]Zabbix{"lab": w.zabbixes["lab"], "main": w.zabbixes["main"]})
		before := len(w.calls("main"))
		r.receives("works", Input{Text: "ack main/1 once more", Room: "noc"})
		synctest.Wait()
		require.Equal(t, store.CommandDone, w.command("works").State)
		require.Len(t, w.calls("main"), before+1)
	})
}
