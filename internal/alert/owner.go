package alert

import (
	"cmp"
	"time"
)

// Owner is the person who takes care of a problem. Ownership is the relay's own: Zabbix has it only as a comment.
type Owner struct {
	ID    string    `json:"id,omitempty"` // the person's, in Webex; "" if only the address is known
	Email string    `json:"email,omitempty"`
	Name  string    `json:"name,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

// Label is the name, or else the address; "" for nobody.
func (o Owner) Label() string { return cmp.Or(o.Name, o.Email) }

// ownership is who owns a problem since a time; nobody without an address. The latest wins.
type ownership struct {
	At    int64  `json:"t,omitempty"`
	ID    string `json:"i,omitempty"`
	Email string `json:"e,omitempty"`
	Name  string `json:"n,omitempty"`
}

func ownershipOf(o *Owner, at time.Time) ownership {
	if o == nil {
		return ownership{}
	}
	return ownership{At: micro(at), ID: o.ID, Email: o.Email, Name: o.Name}
}

func (o ownership) compare(other ownership) int {
	return cmp.Or(cmp.Compare(o.At, other.At), cmp.Compare(o.Email, other.Email), cmp.Compare(o.Name, other.Name), cmp.Compare(o.ID, other.ID))
}

// owner is the reverse of ownershipOf; nil for no change.
func (o ownership) owner() *Owner {
	if o.At == 0 {
		return nil
	}
	owner := Owner{ID: o.ID, Email: o.Email, Name: o.Name}
	if o.Email != "" {
		owner.Since = fromMicro(o.At)
	}
	return &owner
}
