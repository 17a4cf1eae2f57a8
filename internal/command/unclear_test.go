package command

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// A message whose quotes can't be distinguished from its sender's words is answered with a question, whatever its text.
func TestUnclearFormatting(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		r.receives("M1", Input{Text: "close 4711", Unclear: true, Room: "noc", ParentID: "ROOT-main/4712@noc"})
		synctest.Wait()
		require.Empty(t, w.calls("main"))
		require.Len(t, w.answers(), 1)
		require.Contains(t, w.answers()[0], "Send the command again as plain text")
		require.Equal(t, store.CommandFailed, w.command("M1").State)
	})
}
