package command

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// A problem that a command names twice, with and without its source, is acted on once.
func TestAProblemNamedTwiceIsOneTarget(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		r.receives("M1", Input{Text: "ack 4711 main/4711 4711 on it", Room: "noc"})
		synctest.Wait()
		require.Len(t, w.calls("main"), 1)
		require.Equal(t, []string{"main/4711"}, w.command("M1").Keys)
	})
}

// A press executes only verbs that cards have a button for, whatever its data.
func TestAPressOfAVerbWithoutAButton(t *testing.T) {
	for _, verb := range []Verb{Assign, Symptom, Show, Problems, Help, MuteRoute, "acknowledge", "ACK"} {
		story(t, func(t *testing.T, w *world, r *relay) {
			r.receives("A1", Input{Button: &Button{Action: string(verb), Key: "main/4711", MessageID: "CARD-main/4711@noc"}, Room: "noc"})
			synctest.Wait()
			require.Len(t, w.answers(), 1)
			require.Contains(t, w.answers()[0], "I don't know this button")
			require.Equal(t, store.CommandFailed, w.command("A1").State)
			require.Empty(t, w.calls("main"))
		})
	}
}

// A command in the thread of a message that was posted just now waits until the message is known, instead of asking which problem
// is meant. It waits for some seconds only: the thread may be of somebody else's message.
func TestAThreadThatIsNotKnownYet(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		c := store.Command{ID: "M1", Bot: "relay", RoomID: "ROOM-noc", State: store.CommandReceived, CreatedAt: time.Now(), Detail: []byte(`{"envelope":{"resource":"messages"}}`)}
		_, err := w.ClaimCommand(r.ctx, c)
		require.NoError(t, err)
		in := Input{Text: "ack", Room: "noc", RoomID: "ROOM-noc", ParentID: "ROOT-main/9@noc", Person: alice}
		require.ErrorIs(t, r.Accept(r.ctx, c, in), errThreadUnknown)
		require.Empty(t, w.answers())
		w.problem("main/9", "noc")
		require.NoError(t, r.Accept(r.ctx, c, in))
		synctest.Wait()
		require.Len(t, w.calls("main"), 1)
	})
}
