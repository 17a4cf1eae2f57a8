package zabbix

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
)

func TestHostGroupsOfAPayload(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		want  []string
		split bool
	}{
		"none":                       {"", nil, false},
		"one":                        {"Linux servers", []string{"Linux servers"}, false},
		"one, with a lone comma":     {"a,b", []string{"a,b"}, false},
		"several":                    {"Linux, Site", []string{"Linux", "Site"}, true},
		"a name with a comma":        {"Berlin, DC 1", []string{"Berlin", "DC 1"}, true},
		"a JSON list":                {`["Berlin, DC 1","Linux"]`, []string{"Berlin, DC 1", "Linux"}, false},
		"a name in brackets":         {"[test]", []string{"[test]"}, false},
		"two, the first in brackets": {"[test], Linux", []string{"[test]", "Linux"}, true},
		"an empty JSON list":         {"[]", []string{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := event(t, map[string]string{"TRIGGER.HOSTGROUP.NAME": tc.text}).Facts
			require.Equal(t, tc.want, f.Groups)
			require.Equal(t, tc.split, f.GroupsSplit)
		})
	}
}

// Zabbix's own Slack media type names its parameters differently.
func TestParametersOfTheSlackMediaType(t *testing.T) {
	slack := func(with map[string]string) alert.Facts {
		values := map[string]string{"EVENT.NAME": "", "EVENT.TAGSJSON": "", "TRIGGER.NAME": ""}
		for name, value := range with {
			values[name] = value
		}
		return event(t, values).Facts
	}
	for name, tc := range map[string]struct {
		with map[string]string
		name string
		tags []alert.Tag
	}{
		"JSON as event_tags":      {map[string]string{"event_tags": `[{"tag":"a, b","value":"1"}]`, "alert_subject": "Problem: Link down"}, "Link down", []alert.Tag{{Tag: "a, b", Value: "1"}}},
		"no tags":                 {map[string]string{"event_tags": `[]`, "alert_subject": "Link down"}, "Link down", nil},
		"fields in another order": {map[string]string{"event_tags": `[{"value":"1","tag":"a"}]`}, "", []alert.Tag{{Tag: "a", Value: "1"}}},
		"cut JSON":                {map[string]string{"event_tags": `[{"tag":"a","value":"1"},{"ta`}, "", nil},
		"text":                    {map[string]string{"event_tags": "a:1, b:2"}, "", []alert.Tag{{Tag: "a", Value: "1"}, {Tag: "b", Value: "2"}}},
		"a name and a subject":    {map[string]string{"EVENT.NAME": "Link down", "alert_subject": "Call Bob"}, "Link down", nil},
		"a trigger's name":        {map[string]string{"TRIGGER.NAME": "Link", "alert_subject": "Call Bob"}, "Link", nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := slack(tc.with)
			require.Equal(t, tc.name, f.Name)
			require.Equal(t, tc.tags, f.Tags)
		})
	}
}
