package zabbixsim

import (
	"fmt"
	"strconv"
	"strings"
)

// forms are the differences between versions that a client can see.
type forms struct {
	version     string
	header      bool // Authorization: Bearer is understood (6.4)
	property    bool // the auth property is understood (until 7.0)
	strict      bool // unknown parameters are refused (7.0)
	suppress    bool // bits 32 and 64 (6.2)
	rank        bool // events have a cause (6.4)
	camelAcks   bool // selectAcknowledges (7.0)
	tokenScript bool // script.execute works with an API token (7.0; 6.0.14 crashes, measured)
	hostGroups  bool // selectHostGroups (6.2)
	deprecated  bool // select_acknowledges and selectGroups (until 7.0)
	updateFirst bool // a manual close is sent as update, then recovery (6.0)
	timestamps  bool // {EVENT.TIMESTAMP} and the like resolve (after 7.0)
	causes      bool // {EVENT.CAUSE.*} resolve (7.0 measured)
}

// Versions are examples of versions that can be simulated.
var Versions = []string{"6.0.14", "6.2.9", "6.4.21", "7.0.22", "7.2.13", "7.4.7", "8.0.0"}

func formsOf(version string) (forms, error) {
	major, rest, ok := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	ma, err1 := strconv.Atoi(major)
	mi, err2 := strconv.Atoi(minor)
	if !ok || err1 != nil || err2 != nil || ma < 6 || ma > 8 {
		return forms{}, fmt.Errorf("unknown Zabbix version %q, expected one of %s", version, strings.Join(Versions, ", "))
	}
	v := ma*100 + mi
	return forms{
		version:     version,
		header:      v >= 604,
		property:    v <= 700,
		strict:      v >= 700,
		suppress:    v >= 602,
		rank:        v >= 604,
		camelAcks:   v >= 700,
		tokenScript: v >= 700,
		hostGroups:  v >= 602,
		deprecated:  v <= 700,
		updateFirst: v < 700,
		timestamps:  v > 700,
		causes:      v >= 700,
	}, nil
}
