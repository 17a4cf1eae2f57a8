package watch

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/lang/langtest"
	"nms-alert-relay/internal/zabbix"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestJudgeMediaType(t *testing.T) {
	ours := zabbix.MediaType{ID: "9", Name: "Alert relay", Ours: true}
	disabled := ours
	disabled.Disabled = true
	other := zabbix.MediaType{ID: "1", Name: "Slack"}
	for name, c := range map[string]struct {
		types  []zabbix.MediaType
		before string
		want   Verdict
	}{
		"enabled":                      {[]zabbix.MediaType{other, ours}, "", Fine},
		"disabled":                     {[]zabbix.MediaType{other, disabled}, "", Trouble},
		"none shown":                   {nil, "", Unknown},
		"none shown any more":          {nil, "9", Unknown},
		"never seen among others":      {[]zabbix.MediaType{other}, "", Unknown},
		"seen once, now others":        {[]zabbix.MediaType{other}, "9", Trouble},
		"another disabled one of them": {[]zabbix.MediaType{{ID: "1", Disabled: true}, ours}, "", Fine},
	} {
		require.Equal(t, c.want, judgeMediaType(zabbix.Sending{MediaTypes: c.types}, c.before, lang.English).Verdict, name)
		marked := judgeMediaType(zabbix.Sending{MediaTypes: c.types}, c.before, lang.Marked).Detail
		require.Empty(t, langtest.Outside(marked, ours.Name), "%s: not from the catalogue: %s", name, marked)
	}
	renamed := zabbix.Sending{MediaTypes: []zabbix.MediaType{other, {ID: "9", Name: "Chat"}}}
	require.Equal(t, Fine, judgeMediaType(recognise(renamed, "9"), "9", lang.English).Verdict, "its id is known")
	require.Equal(t, Unknown, judgeMediaType(recognise(renamed, ""), "", lang.English).Verdict)
}

func TestJudgeAction(t *testing.T) {
	ours, all, other := []string{"9"}, []string{zabbix.AllMedia}, []string{"1"}
	whole := zabbix.Action{Name: "Report", Problem: ours, Recovery: ours, Update: ours}
	disabled := whole
	disabled.Disabled = true
	for name, c := range map[string]struct {
		actions []zabbix.Action
		before  string
		want    Verdict
		detail  string
	}{
		"complete":                       {actions: []zabbix.Action{whole}, want: Fine},
		"disabled":                       {actions: []zabbix.Action{disabled}, want: Trouble, detail: `"Report" is disabled`},
		"disabled beside a complete one": {actions: []zabbix.Action{disabled, whole}, want: Fine},
		"by all media of the recipient":  {actions: []zabbix.Action{{Problem: all, Recovery: all, Update: all}}, want: Fine},
		"disabled, another by all media": {actions: []zabbix.Action{disabled, {Problem: all, Recovery: all, Update: all}}, want: Fine},
		"no problem operation":           {actions: []zabbix.Action{{Name: "Report", Recovery: ours, Update: ours}}, want: Trouble, detail: `"Report" has no operation for problems`},
		"no recovery operation":          {actions: []zabbix.Action{{Name: "Report", Problem: ours, Update: ours}}, want: Trouble, detail: `"Report" has no recovery operation`},
		"no update operation":            {actions: []zabbix.Action{{Name: "Report", Problem: ours, Recovery: all}}, want: Trouble, detail: `"Report" has no update operation`},
		"only others', ours never seen":  {actions: []zabbix.Action{{Problem: other, Recovery: other, Update: other}}, want: Unknown},
		"none shown":                     {want: Unknown},
	} {
		f := judgeAction(zabbix.Sending{MediaTypes: []zabbix.MediaType{{ID: "9", Ours: true}}, Actions: c.actions}, lang.English)
		require.Equal(t, c.want, f.Verdict, name)
		require.Contains(t, f.Detail, c.detail, name)
		marked := judgeAction(zabbix.Sending{MediaTypes: []zabbix.MediaType{{ID: "9", Ours: true}}, Actions: c.actions}, lang.Marked).Detail
		require.Empty(t, langtest.Outside(marked, "Report"), "%s: not from the catalogue: %s", name, marked)
	}
	require.Equal(t, Unknown, judgeAction(zabbix.Sending{Actions: []zabbix.Action{disabled}}, lang.English).Verdict, "whose action it is isn't known without the media type")
}

func TestJudgeAlerts(t *testing.T) {
	failed := func(ages ...time.Duration) (s zabbix.Sending) {
		s.FailedKnown = true
		for _, age := range ages {
			s.Failed = append(s.Failed, zabbix.FailedAlert{At: noon.Add(-age), Error: "timed out"})
		}
		return s
	}
	require.Equal(t, Finding{}, judgeAlerts(zabbix.Sending{}, noon))
	require.Equal(t, Finding{Verdict: Fine}, judgeAlerts(failed(), noon))
	require.Equal(t, Finding{Verdict: Trouble, Count: 2, Detail: "timed out", Sample: true}, judgeAlerts(failed(time.Minute, time.Hour), noon))
	require.Equal(t, Finding{Verdict: Fine}, judgeAlerts(failed(alertWindow+time.Second, time.Hour), noon))

	require.Equal(t, noon.Add(-alertWindow), alertsFrom(time.Time{}, noon))
	require.Equal(t, noon.Add(-alertWindow-time.Hour), alertsFrom(noon.Add(-time.Hour), noon), "what failed shortly before the trouble was noticed is counted")
}

// A comparison may be a quarter of an hour old, or three intervals. The relay's own downtime doesn't count.
func TestJudgeCompared(t *testing.T) {
	ago := func(minutes int) time.Time { return noon.Add(-time.Duration(minutes) * time.Minute) }
	for name, c := range map[string]struct {
		compared, began time.Time
		interval        time.Duration
		want            Verdict
	}{
		"just now":                      {ago(0), ago(60), time.Minute, Fine},
		"15 minutes ago":                {ago(15), ago(60), time.Minute, Fine},
		"16 minutes ago":                {ago(16), ago(60), time.Minute, Trouble},
		"16 minutes ago, each 10":       {ago(16), ago(60), 10 * time.Minute, Fine},
		"31 minutes ago, each 10":       {ago(31), ago(60), 10 * time.Minute, Trouble},
		"never, started a moment ago":   {time.Time{}, ago(1), time.Minute, Unknown},
		"never, started 16 minutes ago": {time.Time{}, ago(16), time.Minute, Trouble},
	} {
		require.Equal(t, c.want, judgeCompared(c.compared, c.began, "", c.interval, noon).Verdict, name)
	}
	require.Equal(t, "forbidden", judgeCompared(time.Time{}, ago(16), "forbidden", time.Minute, noon).Detail)
}

// Three in ten minutes is trouble; it ends after ten minutes without any.
func TestJudgeFound(t *testing.T) {
	var h history
	so := 0
	found := int64(7) // counted from the first sample on
	look := func(at int, n int64) Finding {
		found += n
		h = h.add(sample{noon.Add(time.Duration(at) * time.Minute), found})
		f := judgeFound(h, so)
		switch f.Verdict {
		case Trouble:
			so = f.Count
		case Fine:
			so = 0
		}
		return f
	}
	require.Equal(t, Unknown, look(0, 0).Verdict)
	require.Equal(t, Fine, look(1, 2).Verdict)
	require.Equal(t, Fine, look(12, 0).Verdict)
	require.Equal(t, Fine, look(13, 2).Verdict, "two each in ten minutes")
	require.Equal(t, Finding{Verdict: Trouble, Count: 3}, look(20, 1))
	require.Equal(t, Finding{Verdict: Trouble, Count: 4}, look(25, 1))
	require.Equal(t, Finding{Verdict: Trouble, Count: 4}, look(34, 0))
	require.Equal(t, Fine, look(36, 0).Verdict)
	require.LessOrEqual(t, len(h), 5)

	h = history{}.add(sample{noon, 0}).add(sample{noon.Add(time.Minute), 0})
	require.Equal(t, Unknown, judgeFound(h, 5).Verdict, "after a restart the trouble doesn't end before a whole window has passed")
}

func TestConditions(t *testing.T) {
	trouble, fine := Finding{Verdict: Trouble, Detail: "disabled"}, Finding{Verdict: Fine}
	require.Equal(t, Condition{}, Condition{}.next(trouble, 1, noon), "one look isn't enough")
	c := Condition{}.next(trouble, 2, noon)
	require.Equal(t, Condition{Since: noon, Detail: "disabled"}, c)
	c.Queued = true
	require.Equal(t, c, c.next(trouble, 3, noon.Add(time.Minute)), "nothing has changed")
	require.Equal(t, c, c.next(Finding{}, 3, noon.Add(time.Minute)), "unknown changes nothing")
	changed := c.next(Finding{Verdict: Trouble, Detail: "deleted"}, 4, noon)
	require.Equal(t, Condition{Since: noon, Detail: "deleted", Edits: 1}, changed)
	over := c.next(fine, 0, noon.Add(time.Hour))
	require.False(t, over.Open())
	require.False(t, over.Queued)
	require.Equal(t, "closed", c.next(Finding{Verdict: Fine, Detail: "closed"}, 0, noon).Ended)
	require.Equal(t, over, over.next(trouble, 2, noon.Add(2*time.Hour)), "its end isn't queued yet")
	require.Equal(t, Condition{}, Condition{}.next(fine, 0, noon))

	// A count is shown anew when it has doubled, and the message is edited nine times at most.
	c = Condition{}.next(Finding{Verdict: Trouble, Count: 1, Detail: strings.Repeat("x\n", 1000)}, 2, noon)
	require.Less(t, len(c.Detail), 4*maxDetail)
	require.NotContains(t, c.Detail, "\n")
	edits := 0
	for n := 2; n < 5000; n++ {
		c.Queued = true
		if c = c.next(Finding{Verdict: Trouble, Count: n, Detail: "another one", Sample: true}, n, noon); !c.Queued {
			edits++
		}
	}
	require.Equal(t, maxEdits, edits)
	require.Equal(t, 4999, c.Count, "for the last edit, which says that it is over")
}
