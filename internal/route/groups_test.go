package route

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A payload joins host groups with ", ". A name with a comma isn't split if a pattern in the configuration matches
// it, whatever the order of the routes.
func TestHostGroupsWithCommas(t *testing.T) {
	both := []string{
		`routes: [{match: {groups: ["Berlin, DC 1"]}, rooms: [db]}, {match: {groups: ["DC 1"]}, rooms: [night]}]`,
		`routes: [{match: {groups: ["DC 1"]}, rooms: [night]}, {match: {groups: ["Berlin, DC 1"]}, rooms: [db]}]`,
	}
	glob := []string{`routes: [{match: {groups: ["DC*"]}, rooms: [night]}, {match: {groups: ["Berlin,*"]}, rooms: [db]}]`}
	long := []string{`routes: [{match: {groups: ["A, B"]}, rooms: [night]}, {match: {groups: ["A, B, C"]}, rooms: [db]}]`}
	for name, tc := range map[string]struct {
		routes []string
		groups []string
		split  bool
		want   string
	}{
		"the name alone":                {both, []string{"Berlin", "DC 1"}, true, "db"},
		"with others":                   {both, []string{"Berlin", "DC 1", "Linux"}, true, "db"},
		"at the end":                    {both, []string{"Linux", "Berlin", "DC 1"}, true, "db"},
		"in another case":               {both, []string{"berlin", "dc 1"}, true, "db"},
		"the other group":               {both, []string{"DC 1", "Linux"}, true, "night"},
		"not neighbours":                {both, []string{"Berlin", "Linux", "DC 1"}, true, "night"},
		"the API's answer":              {both, []string{"Berlin", "DC 1"}, false, "night"},
		"the API's answer, with commas": {both, []string{"Berlin, DC 1", "Linux"}, false, "db"},
		"a pattern":                     {glob, []string{"Berlin", "DC 1", "Linux"}, true, "db"},
		"the longer name":               {long, []string{"A", "B", "C"}, true, "db"},
		"the shorter name":              {long, []string{"A", "B", "D"}, true, "night"},
		"neither":                       {both, []string{"Linux", "Net"}, true, "noc"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, routes := range tc.routes {
				p := problem()
				p.Groups, p.GroupsSplit = tc.groups, tc.split
				require.Equal(t, []string{tc.want}, rooms(router(t, routes).Rooms(p, "", noon)))
			}
		})
	}
}
