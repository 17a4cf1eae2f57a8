package command

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// Wherever the relay crashes, the command is done exactly once, journalled and closed.
func TestCrashAnywhere(t *testing.T) {
	for _, lost := range []bool{false, true} {
		for crash := range 16 {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.problem("main/4711", "noc")
				w.problem("lab/7", "noc")
				w.crash, w.lost = crash, lost
				r := w.start(t)
				r.hears("M1", Heard{Text: "ack main/4711 lab/7 on it", Room: "noc"})
				r.hears("M2", Heard{Text: "help", Room: "noc"})
				time.Sleep(time.Minute)
				synctest.Wait()
				r.stop()

				w.crash = -1 // the next one lives
				r = w.start(t)
				defer r.stop()
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				for _, source := range []string{"main", "lab"} {
					require.Len(t, w.calls(source), 1, "crash %d, lost %v", crash, lost)
				}
				require.Equal(t, store.CommandDone, w.command("M1").State)
				require.Equal(t, store.CommandDone, w.command("M2").State)
				told := map[string]int{}
				for _, u := range w.updates(t) {
					told[fmt.Sprint(u.At, u.Message)]++
				}
				require.NotEmpty(t, w.updates(t))
				require.LessOrEqual(t, len(told), 2, "an action that is journalled twice is identical")
				answers := w.answers()
				require.LessOrEqual(t, len(answers), 2)
				require.Contains(t, strings.Join(answers, "\n"), "- ✅ Acknowledged `main/4711` problem 4711\n- ✅ Acknowledged `lab/7` problem 7")
			})
		}
	}
}

// A command that expired while the relay was down isn't carried out.
func TestExpiredDuringRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.problem("main/4711", "noc")
		w.setDown("main", true)
		r := w.start(t)
		r.hears("M1", Heard{Text: "ack 4711", Room: "noc"})
		synctest.Wait()
		synctest.Wait()
		r.stop()
		w.setDown("main", false)
		time.Sleep(2 * time.Hour)
		r = w.start(t)
		defer r.stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(t, w.calls("main"))
		require.Equal(t, store.CommandExpired, w.command("M1").State)
		answers := strings.Join(w.answers(), "\n")
		require.Contains(t, answers, "⌛ Couldn't acknowledge `main/4711`")
	})
}
