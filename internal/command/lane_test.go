package command

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// The attempts of a call have one source and part, and all are pending or all may be in flight since the same call.
func TestBatch(t *testing.T) {
	began := time.Now()
	keys := ids("main/1", "main/2", "main/3", "lab/4", "main/5", "main/6")
	attempts := []attempt{
		{Key: keys[0], Stage: stageDone}, {Key: keys[1]}, {Key: keys[2], Stage: stageExecuting, StartedAt: began}, {Key: keys[3]}, {Key: keys[4]},
		{Key: keys[5], Stage: stageExecuting, StartedAt: began},
	}
	j := &job{c: store.Command{ID: "M1"}, d: detail{Request: &Request{Verb: Ack}, Input: &Input{}, Attempts: attempts}}
	main, lab := &lane{name: "main", woken: make(chan struct{}, 1)}, &lane{name: "lab", woken: make(chan struct{}, 1)}
	for _, l := range []*lane{main, lab} {
		l.add(turn{j, 0})
	}
	require.Equal(t, []string{"2", "5"}, main.next().ids())
	require.Equal(t, []string{"4"}, lab.next().ids())
	j.d.Attempts[1].Stage, j.d.Attempts[4].Stage = stageFailed, stageExecuting // by another call
	require.Equal(t, []string{"3", "6"}, main.next().ids())
	j.part++
	require.Nil(t, main.next(), "the next part has a turn of its own")
}
