package alert

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/testrace"
)

// sent is one payload about a comment: when it was written by the recipient's clock, and when it arrived.
type sent struct {
	wall, received time.Duration
	words          string
}

func TestReportsOfOneUpdate(t *testing.T) {
	testrace.Skip(t)
	const h, min, s = time.Hour, time.Minute, time.Second
	hourly := func(every time.Duration) (all []sent) {
		for i := range 24 {
			jitter := time.Duration(i%5) * s
			all = append(all, sent{time.Duration(i) * every, time.Duration(i)*every + 2*s + jitter, "still running"})
		}
		return all
	}
	for name, tc := range map[string]struct {
		payloads []sent
		known    []time.Duration // when the words were written, by the API
		want     int
	}{
		"a script every hour":                   {hourly(h), nil, 24},
		"a script every 15 minutes":             {hourly(15 * min), nil, 24},
		"a script every 30 minutes":             {hourly(30 * min), nil, 24},
		"a script once a day":                   {hourly(24 * h), nil, 24},
		"two recipients in two zones":           {[]sent{{0, 2 * s, "on it"}, {9 * h, 4 * s, "on it"}}, nil, 1},
		"three zones, half an hour too":         {[]sent{{0, 2 * s, "on it"}, {-5 * h, 4 * s, "on it"}, {330 * min, 9 * s, "on it"}}, nil, 1},
		"the next zone":                         {[]sent{{0, 2 * s, "on it"}, {h, 30 * s, "on it"}}, nil, 1},
		"one recipient, again after two hours":  {[]sent{{0, 2 * s, "on it"}, {0, 2 * h, "on it"}}, nil, 1},
		"an hour later in another zone":         {[]sent{{0, 2 * s, "on it"}, {10 * h, h + 9*s, "on it"}}, nil, 2},
		"the zone that comes 40 minutes late":   {[]sent{{0, 2 * s, "on it"}, {9 * h, 40 * min, "on it"}}, nil, 1},
		"other words":                           {[]sent{{0, 2 * s, "on it"}, {9 * h, 4 * s, "done"}}, nil, 2},
		"another second":                        {[]sent{{0, 2 * s, "on it"}, {9*h + s, 4 * s, "on it"}}, nil, 2},
		"the API knows both":                    {[]sent{{0, 2 * s, "on it"}, {h, h + 2*s, "on it"}}, []time.Duration{0, h}, 2},
		"the API knows the first alone so far":  {[]sent{{0, 2 * s, "on it"}, {h, h + 2*s, "on it"}}, []time.Duration{0}, 2},
		"the API knows the update of two zones": {[]sent{{0, 2 * s, "on it"}, {9 * h, 4 * s, "on it"}}, []time.Duration{0}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			events := []Event{problemEvent()}
			for _, payload := range tc.payloads {
				e := updateEvent(0, 0, Update{Message: payload.words, Actions: Actions{Comment: true}})
				e.Update.At, e.ReceivedAt = epoch.Add(payload.wall), epoch.Add(payload.received)
				e.At, e.SentAt = e.Update.At, e.ReceivedAt
				events = append(events, e)
			}
			if tc.known != nil {
				o := Observation{Opened: epoch, Severity: Average}
				for i, when := range tc.known {
					o.Updates = append(o.Updates, Update{AckID: fmt.Sprint(i + 1), At: epoch.Add(when), Exact: true, Message: tc.payloads[0].words, Actions: Actions{Comment: true}})
				}
				events = append(events, answer4711(3, o))
			}
			for _, order := range [][]Event{events, backwards(events)} {
				require.Len(t, updates(story(t, order...)), tc.want)
			}
		})
	}
}

// The update is shown at the time of the correct zone.
func TestUpdateReportedInTwoZones(t *testing.T) {
	right := updateEvent(60, 62, Update{Message: "on it", Actions: Actions{Comment: true}})
	wrong := inZone(updateEvent(60, 63, Update{Message: "on it", Actions: Actions{Comment: true}}), -5*time.Hour)
	for _, order := range [][]Event{{right, wrong}, {wrong, right}} {
		all := updates(story(t, append([]Event{problemEvent()}, order...)...))
		require.Len(t, all, 1)
		require.Equal(t, at(60), all[0].At)
	}
}

func backwards(events []Event) []Event {
	out := make([]Event, 0, len(events))
	for i := range events {
		out = append(out, events[len(events)-1-i])
	}
	return out
}

func updates(p Problem) (all []Entry) {
	for _, e := range p.Timeline {
		if e.Kind == EntryUpdate {
			all = append(all, e)
		}
	}
	return all
}
