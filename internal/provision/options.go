// Package provision makes in Zabbix what the relay needs there: media type, role, user group, service user, API token, actions and a
// global macro. What is wanted and what was found are values; a plan is the difference between them, and applying it makes the calls.
package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/zabbix"
)

// ActionSources are the sources of events that an action can be for. The place is Zabbix's number.
var ActionSources = []string{"trigger", "discovery", "autoregistration", "internal", "service"}

// Everything stands for all host groups.
const Everything = "*"

// Options say what is wanted.
type Options struct {
	URL       string // where the Zabbix server reaches the relay; "" keeps the one in Zabbix
	Secret    string // signs events
	Source    string // for the media type's SOURCE; "" for none
	HTTPProxy string // "" keeps the one in Zabbix
	// Methods are those that the relay calls.
	Methods []string
	// Features are what the relay may do besides, or may no longer do. Those that aren't named stay as the role in Zabbix has them.
	Features map[zabbix.Feature]bool
	// ReadGroups and WriteGroups are host groups by name, or Everything. With both empty, a user group keeps the permissions that it
	// has; one without any may read all.
	ReadGroups, WriteGroups []string
	// ActionSources are the event sources besides trigger.
	ActionSources []string
	// Template is the export file of the template that monitors the relay; nil for none.
	Template []byte
	Adopt    bool
	// Token is the API token of a Super admin, with which all this is done.
	Token string
	// TokenFile is where the relay finds its own API token.
	TokenFile File
}

// File is a file with one secret.
type File interface {
	Name() string
	// Read returns its content, or what is wrong with it: it is missing or empty.
	Read() (value, missing string, err error)
	// Prepare checks that the file can be written, before anything is changed. commit writes a value, or gives up if it is "".
	Prepare() (commit func(value string) error, err error)
}

// API calls Zabbix.
type API interface {
	Version(ctx context.Context) (string, error)
	Call(ctx context.Context, method string, params, result any) error
}

// Names of our objects, without the mark.
const (
	ownName   = "alert-relay"
	macroName = "{$ALERT_RELAY.URL}"
)

// sendTo is the address of the media: the relay's routes decide.
const sendTo = "routes"

// permissions of a user group on a host group.
const (
	mayRead  = "2"
	mayWrite = "3"
)

var permissionWords = map[string]string{"0": "denied", mayRead: "read", mayWrite: "read-write"}

// features returns the features that the role allows.
func (o Options) features(s *state) (list []zabbix.Feature) {
	for f := range zabbix.Features {
		if wanted, named := o.Features[f]; wanted || !named && slices.Contains(s.features, f) {
			list = append(list, f)
		}
	}
	slices.Sort(list)
	return list
}

// permissions returns the permission for each host group's id.
func (o Options) permissions(s *state) (map[string]string, error) {
	if len(o.ReadGroups)+len(o.WriteGroups) == 0 {
		if len(s.granted) > 0 {
			return s.granted, nil
		}
		o.ReadGroups = []string{Everything}
	}
	if len(o.ReadGroups) == 0 {
		o.ReadGroups = []string{Everything}
	}
	rights := map[string]string{}
	var faults []string
	grant := func(names []string, permission string) {
		for _, name := range names {
			if name != Everything && !slices.Contains(s.hostGroupNames(), name) {
				fault := fmt.Sprintf("host group %q not found, or not visible to this token", name)
				if hint := text.DidYouMean(name, s.hostGroupNames()); hint != "" {
					fault += " (" + hint + ")"
				}
				faults = append(faults, fault)
			}
			for id, group := range s.hostGroups {
				if name == Everything || name == group {
					rights[id] = permission
				}
			}
		}
	}
	grant(o.ReadGroups, mayRead)
	grant(o.WriteGroups, mayWrite)
	if faults != nil {
		return nil, errors.New(strings.Join(faults, "; "))
	}
	return rights, nil
}
