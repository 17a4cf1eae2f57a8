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

// readsHeader reports whether the version reads the API token in the Authorization header: from 6.4 on.
func (r release) readsHeader() bool { return r.since(6, 4) }

// readsBody reports whether it reads the token in the property "auth": up to 7.0 (6.4 and 7.0 read both places, measured on 7.0).
func (r release) readsBody() bool { return !r.since(7, 2) }

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
	return r.readsHeader() == o.readsHeader() && r.readsBody() == o.readsBody() && r.acknowledgesParam() == o.acknowledgesParam() &&
		r.groupsParam() == o.groupsParam()
}
