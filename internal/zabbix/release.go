package zabbix

import (
	"fmt"
	"strconv"
	"strings"
)

// release is an API version, which determines the form of calls.
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

// tokenPlace is where a call carries the API token.
type tokenPlace int

const (
	nowhere tokenPlace = iota
	inHeader
	inBody
)

// tokenPlace returns the preferred place: the Authorization header from 6.4 on; 6.0 and 6.2 read only the property "auth".
func (r release) tokenPlace() tokenPlace {
	if r.since(6, 4) {
		return inHeader
	}
	return inBody
}

// otherPlace returns a second place that the version reads: 6.4 and 7.0 read both (measured on 7.0), 7.2 and later only the header.
func (r release) otherPlace(p tokenPlace) (tokenPlace, bool) {
	if !r.since(6, 4) || r.since(7, 2) {
		return p, false
	}
	if p == inHeader {
		return inBody, true
	}
	return inHeader, true
}

// acknowledgesParam selects an event's acknowledgements. 7.0 accepts either name but not both, 7.2 only the new one.
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

// sameForm reports whether calls have the same form in both versions.
func (r release) sameForm(o release) bool {
	return r.tokenPlace() == o.tokenPlace() && r.since(7, 2) == o.since(7, 2) && r.acknowledgesParam() == o.acknowledgesParam() &&
		r.groupsParam() == o.groupsParam()
}
