package socket

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What follows the end of a connection depends on the reason, on how often it happened, and on how long the connection was open.
func TestCourse(t *testing.T) {
	type want struct {
		least, most     time.Duration
		register, fresh bool
	}
	for name, tc := range map[string]struct {
		ends []End
		open time.Duration // of the last connection
		want want
	}{
		"a lost connection":      {[]End{{Reason: Lost}}, 0, want{time.Second, 2 * time.Second, false, false}},
		"lost three times":       {[]End{{Reason: Lost}, {Reason: Lost}, {Reason: Lost}}, 0, want{4 * time.Second, 8 * time.Second, false, false}},
		"lost after a while":     {[]End{{Reason: Lost}, {Reason: Lost}, {Reason: Lost}}, time.Minute, want{time.Second, 2 * time.Second, false, false}},
		"no pong":                {[]End{{Reason: Silent}}, time.Hour, want{time.Second, 2 * time.Second, false, false}},
		"a clean close":          {[]End{{Reason: Closed}}, 0, want{time.Second, 2 * time.Second, true, false}},
		"an unknown address":     {[]End{{Reason: Stale}}, 0, want{time.Second, 2 * time.Second, true, false}},
		"again, though renewed":  {[]End{{Reason: Stale}, {Reason: Stale}}, 0, want{2 * time.Second, 4 * time.Second, true, true}},
		"a fourth time":          {[]End{{Reason: Stale}, {Reason: Stale}, {Reason: Stale}, {Reason: Stale}}, 0, want{maxWait, maxWait, false, false}},
		"a failed registration":  {[]End{{Reason: Unregistered}}, 0, want{time.Second, 2 * time.Second, true, false}},
		"told to wait":           {[]End{{Reason: Limited, RetryAfter: time.Hour}}, 0, want{time.Hour, time.Hour, true, false}},
		"a refused token":        {[]End{{Reason: Unauthorized}}, 0, want{refusedWait, refusedWait, true, false}},
		"a refused bot":          {[]End{{Reason: Forbidden}}, time.Hour, want{refusedWait, refusedWait, true, false}},
		"replaced by another":    {[]End{{Reason: Replaced}}, time.Hour, want{ReplacedWait, ReplacedWait, true, false}},
		"replaced after failing": {[]End{{Reason: Lost}, {Reason: Replaced}, {Reason: Lost}}, 0, want{time.Second, 2 * time.Second, false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, random := range []float64{0, 0.5, 0.999} {
				course, step := Course{}, Step{}
				for i, e := range tc.ends {
					open := time.Duration(0)
					if i == len(tc.ends)-1 {
						open = tc.open
					}
					course, step = course.Next(e, open, random)
				}
				require.GreaterOrEqual(t, step.Wait, tc.want.least)
				require.LessOrEqual(t, step.Wait, tc.want.most)
				require.Equal(t, tc.want.register, step.Register, "refreshes the device")
				require.Equal(t, tc.want.fresh, step.Fresh, "makes a new device")
			}
		})
	}
}

// The wait never exceeds four minutes, however often a connection is lost.
func TestCourseIsBounded(t *testing.T) {
	course, step := Course{}, Step{}
	for range 1000 {
		course, step = course.Next(End{Reason: Lost}, 0, 0.999)
		require.LessOrEqual(t, step.Wait, maxWait)
	}
	require.Greater(t, step.Wait, maxWait/2)
}

func TestCloseReason(t *testing.T) {
	for code, want := range map[int]Reason{
		1000: Closed, 1001: Closed, 1005: Closed, 1006: Lost, 1011: Lost, 1008: Unauthorized, 4000: Replaced, 4001: Closed,
		4400: Forbidden, 4401: Unauthorized, 4403: Forbidden, 4999: Lost, -1: Lost,
	} {
		require.Equal(t, want, closeReason(code, ""), "code %d", code)
	}
	require.Equal(t, Replaced, closeReason(1005, "replaced"), "a gateway dropped the code")
}
