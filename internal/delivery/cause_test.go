package delivery

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// symptoms makes problems symptoms of problem 0.
func (w *world) symptoms(ns ...int) {
	w.store.set(func() { w.store.cause = key(0).String() })
	defer w.store.set(func() { w.store.cause = "" })
	for _, n := range ns {
		w.fold(n, nil, "noc")
	}
}

// digestMessages are the digests that the room shows.
func (w *world) digestMessages() (out []aMessage) {
	for _, m := range w.webex.live("R-noc") {
		if strings.HasPrefix(m.markdown, "digest ") {
			out = append(out, m)
		}
	}
	return out
}

// Symptoms are one message in the thread of their cause, which is edited as they change. It waits for the cause's message.
func TestSymptomsAreInTheThreadOfTheirCause(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		began := time.Now()
		w.webex.set(func(f *fakeWebex) {
			f.meet = func(c aCall) *trouble {
				if strings.HasPrefix(c.markdown, "main/0") && time.Since(began) < 5*time.Second {
					return &trouble{status: 503}
				}
				return nil
			}
		})
		w.fold(0, nil, "noc")
		w.symptoms(1, 2)
		w.pass(4 * time.Second)
		require.Empty(t, w.digestMessages(), "their cause has no message yet")
		w.pass(time.Minute)
		root := w.store.post(key(0), "noc").RootID
		require.NotEmpty(t, root)
		all := w.digestMessages()
		require.Len(t, all, 1)
		require.Equal(t, root, all[0].parent)
		require.Contains(t, all[0].markdown, "main/1=open main/2=open")

		w.symptoms(3)
		w.fold(1, resolve, "noc")
		w.pass(time.Minute)
		all = w.digestMessages()
		require.Len(t, all, 1)
		require.Contains(t, all[0].markdown, "main/1=resolved main/2=open main/3=open")

		w.symptoms(4, 5)
		w.pass(time.Minute)
		require.Len(t, w.textsWith("noc", "The complete list"), 1)
		for _, m := range w.webex.live("R-noc") {
			require.True(t, m.id == root || m.parent == root, "a thread has no threads: %s", m.markdown)
		}
		require.Zero(t, w.store.pending())
	})
}

// Symptoms whose cause's message was deleted, and is still believed to be there, get a message of their own.
func TestSymptomsOfADeletedMessage(t *testing.T) {
	for _, status := range []int{404, 400} {
		inWorld(t, nil, func(t *testing.T, w *world) {
			w.fold(0, nil, "noc")
			w.pass(time.Minute)
			root := w.store.post(key(0), "noc").RootID
			w.webex.set(func(f *fakeWebex) { f.parentGone = status })
			w.webex.deleteBySomebody(root)
			w.symptoms(1, 2)
			w.pass(time.Minute)
			all := w.digestMessages()
			require.Len(t, all, 1)
			require.Empty(t, all[0].parent)
			require.Zero(t, w.store.pending())
		})
	}
}

// In whose thread symptoms are shown, by the posts of their cause.
func TestCauseMessage(t *testing.T) {
	pending := time.Unix(1, 0)
	for name, c := range map[string]struct {
		post  store.Post
		id    string
		ready bool
	}{
		"shown":              {store.Post{Room: "noc", Cursor: store.Cursor{RootID: "M"}}, "M", true},
		"shown, and changed": {store.Post{Room: "noc", PendingSince: pending, Cursor: store.Cursor{RootID: "M"}}, "M", true},
		"to be posted":       {store.Post{Room: "noc", PendingSince: pending}, "", false},
		"in a digest":        {store.Post{Room: "noc", Group: 7, PendingSince: pending}, "", true},
		"a dead letter":      {store.Post{Room: "noc", PendingSince: pending, Cursor: store.Cursor{State: store.PostDead}}, "", true},
		"withdrawn":          {store.Post{Room: "noc"}, "", true},
		"in another room":    {store.Post{Room: "db", PendingSince: pending}, "", true},
	} {
		id, ready := step.CauseMessage([]store.Post{c.post}, "noc")
		require.Equal(t, c.id, id, name)
		require.Equal(t, c.ready, ready, name)
	}
	require.False(t, step.WithoutParent(&webex.Error{Status: 503}))
	require.False(t, step.WithoutParent(&webex.Error{Status: 429}))
}
