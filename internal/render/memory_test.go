package render

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
)

func TestMemoryInWords(t *testing.T) {
	opened := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for want, m := range map[string]alert.Memory{
		"First time seen here":                                         {Times: 1},
		"First time in 30 days · last time 12m":                        {Known: true, Times: 1, Latest: 12 * time.Minute},
		"2nd time in 30 days":                                          {Known: true, Times: 2},
		"11th time in 30 days · usually 1h 2m":                         {Known: true, Times: 11, Usual: time.Hour + 2*time.Minute, Latest: time.Second},
		"23rd time in 30 days":                                         {Known: true, Times: 23},
		"more than 50 times in 30 days":                                {Known: true, Times: 51, AtLeast: true},
		"2nd time in 30 days · last: Somebody, 31 Dec 2025: “\\*x\\*”": {Known: true, Times: 2, Last: &alert.Remark{By: alert.HiddenAuthor, At: opened.AddDate(0, 0, -2), Text: "*x*"}},
	} {
		p := alert.Problem{OpenedAt: opened, Memory: &m}
		r, err := New(Options{})
		require.NoError(t, err)
		require.Equal(t, want, r.builder(&p, Room{}, 1).view(Room{}, opened).Memory.String())
		require.Nil(t, r.builder(&p, Room{}, 1).view(Room{HideMemory: true}, opened).Memory)
	}
}
