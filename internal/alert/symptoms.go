package alert

// Symptoms counts the symptoms of a problem. It is a change of the counts in an event of KindSymptom.
type Symptoms struct {
	All  int `json:"all"`
	Open int `json:"open"`
}

// plus never goes below zero: a symptom may be counted by a problem whose event id another one has now.
func (s Symptoms) plus(o Symptoms) Symptoms {
	s.All = max(s.All+o.All, 0)
	s.Open = min(max(s.Open+o.Open, 0), s.All)
	return s
}

// SymptomOf returns the event id of the problem's cause; "" for none. Nothing is its own cause.
func (p Problem) SymptomOf() string {
	if p.CauseEventID == p.Key.EventID {
		return ""
	}
	return p.CauseEventID
}

// Counted returns how a change of a problem, from was to p, changes the symptoms of a problem: p is counted by the one with the
// event id cause from now on, "" for none.
func (p Problem) Counted(was Problem, cause string) map[string]Symptoms {
	changes := map[string]Symptoms{}
	add := func(id string, n int, open bool) {
		if id == "" {
			return
		}
		c := changes[id]
		c.All += n
		if open {
			c.Open += n
		}
		changes[id] = c
	}
	add(p.CountedBy, -1, was.Open())
	add(cause, 1, p.Open())
	for id, c := range changes {
		if c == (Symptoms{}) {
			delete(changes, id)
		}
	}
	return changes
}
