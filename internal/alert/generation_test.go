package alert

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRelation(t *testing.T) {
	const h, min, s = time.Hour, time.Minute, time.Second
	known := func(change func(*Event)) Problem {
		e := problemEvent()
		change(&e)
		p, _ := Apply(Problem{}, e)
		return p
	}
	none := func(*Event) {}
	exactly := func(e *Event) { e.Exact = true }
	starts := func(after time.Duration) func(*Event) {
		return func(e *Event) {
			e.Opened = epoch.Add(after)
			e.At, e.SentAt, e.ReceivedAt = e.At.Add(after), e.SentAt.Add(after), e.ReceivedAt.Add(after)
		}
	}
	ended := func(p Problem) Problem {
		p, _ = Apply(p, recoveryEvent(60, 63))
		return p
	}
	both := func(changes ...func(*Event)) func(*Event) {
		return func(e *Event) {
			for _, change := range changes {
				change(e)
			}
		}
	}
	trigger := func(id string) func(*Event) { return func(e *Event) { e.Facts.TriggerID = id } }
	kind := func(k Kind) func(*Event) { return func(e *Event) { e.Kind = k; e.Update = &Update{At: e.At} } }
	asked := func(o Observation) func(*Event) {
		return func(e *Event) {
			o.At = e.At
			*e = Event{Key: e.Key, Kind: KindObservation, ReceivedAt: e.At, Observation: &o}
		}
	}
	for name, c := range map[string]struct {
		known Problem
		event func(*Event)
		want  Relation
	}{
		"an escalation's step":                           {known(none), func(e *Event) { e.SentAt, e.ReceivedAt = at(3600), at(3601) }, Same},
		"the same in another zone":                       {known(none), func(e *Event) { e.Opened = epoch.Add(9 * h) }, Same},
		"the same in a zone of half hours":               {known(none), func(e *Event) { e.Opened = epoch.Add(-210 * min) }, Same},
		"no trigger in the payload":                      {known(none), both(trigger(""), starts(0)), Same},
		"no start in the payload":                        {known(none), func(e *Event) { e.Opened = time.Time{} }, Same},
		"neither":                                        {known(none), both(trigger(""), func(e *Event) { e.Opened = time.Time{} }), Same},
		"a start that was never sent":                    {known(func(e *Event) { e.Opened = time.Time{} }), starts(37 * s), Same},
		"another trigger, three days later":              {ended(known(none)), both(trigger("777"), starts(72*h)), Later},
		"another trigger, still open":                    {known(none), both(trigger("777"), starts(72*h)), Later},
		"another trigger, the same second":               {known(none), both(trigger("777"), func(e *Event) { e.ReceivedAt = at(9) }), Later},
		"another trigger, before":                        {known(none), both(trigger("777"), starts(-72*h)), Earlier},
		"another trigger, no start":                      {known(none), both(trigger("777"), func(e *Event) { e.Opened, e.ReceivedAt = time.Time{}, at(500) }), Later},
		"the same trigger, some minutes later":           {known(none), starts(7*min + 11*s), Later},
		"the same trigger, two hours after its end":      {ended(known(none)), starts(2 * h), Later},
		"the same trigger, in the past":                  {known(none), starts(-7*min - 11*s), Earlier},
		"exact starts a minute apart":                    {known(exactly), both(exactly, starts(min)), Later},
		"exact starts an hour apart":                     {known(exactly), both(exactly, starts(h)), Later},
		"one exact start, another zone":                  {known(exactly), func(e *Event) { e.Opened = epoch.Add(-5 * h) }, Same},
		"days apart":                                     {known(none), starts(48 * h), Later},
		"a late step in another zone, after its end":     {ended(known(none)), func(e *Event) { e.Opened, e.SentAt, e.ReceivedAt = epoch.Add(9*h), epoch.Add(9*h+5*s), at(300) }, Same},
		"an update of another problem":                   {known(none), both(kind(KindUpdate), trigger("777"), starts(72*h)), Later},
		"a recovery of one before":                       {known(none), both(kind(KindRecovery), starts(-50*h-s)), Earlier},
		"the relay's own action":                         {known(none), both(starts(72*h), kind(KindAction), trigger("777")), Same},
		"the API knows it":                               {known(none), asked(Observation{TriggerID: "13", Opened: epoch}), Same},
		"the API has another trigger":                    {known(none), asked(Observation{TriggerID: "777", Opened: epoch.Add(72 * h)}), Later},
		"the API has another start":                      {known(exactly), asked(Observation{TriggerID: "13", Opened: epoch.Add(72 * h)}), Later},
		"the API has an older one, of the other server":  {known(none), asked(Observation{TriggerID: "777", Opened: epoch.Add(-72 * h)}), Earlier},
		"the API doesn't know it":                        {known(none), asked(Observation{Gone: true}), Same},
		"a service's, which has no trigger, and starts":  {known(both(trigger(""), func(e *Event) { e.Origin = OriginService })), both(trigger(""), starts(49*h)), Later},
		"a trigger's after a service's, a day later":     {known(both(trigger(""), func(e *Event) { e.Origin = OriginService })), starts(24 * h), Later},
		"a trigger's after an item's, a day later":       {known(both(trigger(""), func(e *Event) { e.Origin = OriginInternal })), starts(24 * h), Later},
		"a service's after a trigger's, a day later":     {known(none), both(trigger(""), starts(24*h), func(e *Event) { e.Origin = OriginService }), Later},
		"a service's after a trigger's, no start":        {known(none), both(trigger(""), func(e *Event) { e.Origin, e.Opened, e.ReceivedAt = OriginService, time.Time{}, at(500) }), Later},
		"a discovery's before a trigger's":               {known(none), both(trigger(""), starts(-24*h), func(e *Event) { e.Origin = OriginDiscovery }), Earlier},
		"an internal one of a trigger, guessed":          {known(none), both(starts(0), func(e *Event) { e.Origin = OriginInternal }), Same},
		"a service's, without its origin":                {known(both(trigger(""), func(e *Event) { e.Origin = OriginService })), both(trigger(""), starts(0)), Same},
		"a service's again":                              {known(both(trigger(""), func(e *Event) { e.Origin = OriginService })), both(trigger(""), func(e *Event) { e.Origin = OriginService }), Same},
		"nothing is known yet":                           {Problem{}, none, Same},
		"so far only an update without a start":          {known(both(kind(KindUpdate), trigger(""), func(e *Event) { e.Opened = time.Time{} })), none, Same},
		"a recovery that overtook its problem, its zone": {ended(Problem{}), func(e *Event) { e.Opened = epoch.Add(h) }, Same},
	} {
		t.Run(name, func(t *testing.T) {
			e := problemEvent()
			c.event(&e)
			require.Equal(t, c.want, c.known.Relation(e))
		})
	}
}

func TestSupersede(t *testing.T) {
	open := story(t, problemEvent()).Supersede(Key{"main", "4711~1"}, at(500), at(501))
	require.True(t, open.Gone)
	require.Equal(t, StateResolved, open.State)
	require.Equal(t, at(500), open.ResolvedAt)
	require.EqualValues(t, 2, open.Revision)

	over := story(t, problemEvent(), recoveryEvent(60, 63)).Supersede(Key{"main", "4711~1"}, at(500), at(501))
	require.False(t, over.Gone, "it was resolved before")
	require.Equal(t, at(60), over.ResolvedAt)

	late, _ := Apply(open, recoveryEvent(60, 63))
	require.False(t, late.Gone, "its recovery came late")
	require.Equal(t, at(60), late.ResolvedAt)
}
