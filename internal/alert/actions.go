package alert

import "time"

// Actions is what an update did; several may be set.
type Actions struct {
	Ack           bool            `json:"ack,omitempty"`
	Unack         bool            `json:"unack,omitempty"`
	Comment       bool            `json:"comment,omitempty"`
	Close         bool            `json:"close,omitempty"`
	Severity      *SeverityChange `json:"severity,omitempty"`
	Suppress      bool            `json:"suppress,omitempty"`
	SuppressUntil time.Time       `json:"suppress_until,omitzero"` // zero with Suppress: indefinitely
	Unsuppress    bool            `json:"unsuppress,omitempty"`
	ToCause       bool            `json:"to_cause,omitempty"`
	ToSymptom     bool            `json:"to_symptom,omitempty"`
	Other         string          `json:"other,omitempty"` // Zabbix's text, if none of the above was recognised
}

// SeverityChange is a change of severity: by hand, or of a service through its parts. Old may be UnknownSeverity.
type SeverityChange struct {
	Old Severity `json:"old"`
	New Severity `json:"new"`
}

// The bits of Zabbix's event.acknowledge. They are stored too.
const (
	BitClose = 1 << iota
	BitAck
	BitComment
	BitSeverity
	BitUnack
	BitSuppress
	BitUnsuppress
	BitToCause
	BitToSymptom
)

// flag is the field that a bit sets; nil for BitSeverity, which needs the severities.
func (a *Actions) flag(bit int) *bool {
	switch bit {
	case BitClose:
		return &a.Close
	case BitAck:
		return &a.Ack
	case BitComment:
		return &a.Comment
	case BitUnack:
		return &a.Unack
	case BitSuppress:
		return &a.Suppress
	case BitUnsuppress:
		return &a.Unsuppress
	case BitToCause:
		return &a.ToCause
	case BitToSymptom:
		return &a.ToSymptom
	}
	return nil
}

// Bits are the actions as Zabbix numbers them.
func (a Actions) Bits() (bits int) {
	for bit := BitClose; bit <= BitToSymptom; bit <<= 1 {
		if flag := a.flag(bit); flag != nil && *flag || bit == BitSeverity && a.Severity != nil {
			bits |= bit
		}
	}
	return bits
}

// ActionsOf is the reverse of Bits, without a change of severity.
func ActionsOf(bits int) (a Actions) {
	for bit := BitClose; bit <= BitToSymptom; bit <<= 1 {
		if flag := a.flag(bit); flag != nil {
			*flag = bits&bit != 0
		}
	}
	return a
}
