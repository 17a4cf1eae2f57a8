package render

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRelativeTriggerURLIsOnTheFrontend(t *testing.T) {
	const base = "https://zabbix.example.com/zabbix"
	for address, want := range map[string]string{
		"zabbix.php?action=dashboard.view&dashboardid=3": base + "/zabbix.php?action=dashboard.view&dashboardid=3",
		" tr_events.php?triggerid=1":                     base + "/tr_events.php?triggerid=1",
		"./zabbix.php?action=x":                          base + "/zabbix.php?action=x",
		"/zabbix/zabbix.php":                             base + "/zabbix.php",
		"/grafana/d/1":                                   "https://zabbix.example.com/grafana/d/1",
		"https://wiki.example.com/a":                     "https://wiki.example.com/a",
		// Not pages of the frontend, so not linked.
		"//evil.org/x.php":        "",
		`/\evil.org/x.php`:        "",
		"javascript:alert(1).php": "",
		"see the wiki":            "",
		"www.example.com/runbook": "",
		"":                        "",
	} {
		got, _ := safeURL(absoluteURL(address, base))
		require.Equal(t, URL(want), got, address)
	}
	got, _ := safeURL(absoluteURL("zabbix.php", ""))
	require.Empty(t, got, "without a frontend's address there is no link")
}
