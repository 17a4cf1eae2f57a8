package zabbix

import (
	"fmt"
	"strconv"
	"strings"
)

// release is an API version, and with it the form that calls must have.
type release struct {
	text         string
	major, minor int
}

// parseRelease reads "6.0.14", "7.2.0rc1".
func parseRelease(text string) (release, error) {
	parts := strings.SplitN(text, ".", 3)
	if len(parts) < 2 {
		return release{}, fmt.Errorf("%q is not a version of Zabbix", shorten(text))
	}
	major, err := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(strings.TrimRight(parts[1], "abcdefghijklmnopqrstuvwxyz"))
	if err != nil || err2 != nil {
		return release{}, fmt.Errorf("%q is not a version of Zabbix", shorten(text))
	}
	return release{text, major, minor}, nil
}

func (r release) since(major, minor int) bool {
	return r.major > major || (r.major == major && r.minor >= minor)
}

// bearer: the token goes into the Authorization header, from 6.4 on; 7.2 takes
// it nowhere else, 6.0 and 6.2 take only the property "auth".
func (r release) bearer() bool { return r.since(6, 4) }

// acknowledgesParam selects an event's acknowledgements. 7.0 takes either name
// but not both, 7.2 the new one only.
func (r release) acknowledgesParam() string {
	if r.since(7, 0) {
		return "selectAcknowledges"
	}
	return "select_acknowledges"
}

// groupsParam selects host groups.
func (r release) groupsParam() string {
	if r.since(6, 2) {
		return "selectHostGroups"
	}
	return "selectGroups"
}

// suppresses: events can be suppressed by hand.
func (r release) suppresses() bool { return r.since(6, 2) }

// sameForm says whether calls have the same form in both.
func (r release) sameForm(o release) bool {
	return r.bearer() == o.bearer() && r.acknowledgesParam() == o.acknowledgesParam() &&
		r.groupsParam() == o.groupsParam() && r.suppresses() == o.suppresses()
}
