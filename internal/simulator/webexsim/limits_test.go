package webexsim

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/webex"
)

func (w *world) post(t *testing.T, room string) error {
	_, err := w.bot.CreateMessage(t.Context(), webex.NewMessage{RoomID: room, Text: "x"})
	return err
}

func TestRateOfAnAccount(t *testing.T) {
	in(t, Options{PerAccount: Rate{PerSecond: 0.5, Burst: 3}}, func(t *testing.T, w *world) {
		for range 3 {
			require.NoError(t, w.post(t, noc))
		}
		e := refused(t, 429, w.post(t, noc))
		require.Equal(t, 2*time.Second, e.RetryAfter)
		require.Zero(t, w.Stats().TooEarly)
		time.Sleep(time.Second)
		refused(t, 429, w.post(t, db))
		require.Equal(t, 1, w.Stats().TooEarly, "the 429 asked for two seconds")
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoError(t, w.post(t, noc), "a request exactly after Retry-After is accepted")
		require.Equal(t, 1, w.Stats().TooEarly)
		require.Equal(t, 2, w.Stats().Limited)
		require.Equal(t, 2, w.Stats().Statuses["429"])
	})
}

func TestRateOfARoom(t *testing.T) {
	in(t, Options{PerRoom: Rate{PerSecond: 1, Burst: 1}}, func(t *testing.T, w *world) {
		m := w.say(t, "x")
		_, err := w.bot.EditMessage(t.Context(), m.ID, noc, "y")
		refused(t, 429, err)
		refused(t, 429, w.bot.DeleteMessage(t.Context(), m.ID))
		require.NoError(t, w.post(t, db), "each room has its own limit")
		_, err = w.bot.GetMessage(t.Context(), m.ID)
		require.NoError(t, err, "reads are not limited")
		time.Sleep(500 * time.Millisecond)
		refused(t, 429, w.post(t, noc))
		require.Equal(t, 1, w.Stats().TooEarly)
	})
}

// The limits of an account and of an account in a room apply together, and each has its own wait.
func TestRatesOfAccountAndRoom(t *testing.T) {
	in(t, Options{PerAccount: Rate{PerSecond: 1, Burst: 4}, PerRoom: Rate{PerSecond: 0.1, Burst: 2}}, func(t *testing.T, w *world) {
		require.NoError(t, w.post(t, noc))
		require.NoError(t, w.post(t, noc))
		e := refused(t, 429, w.post(t, noc))
		require.Equal(t, 10*time.Second, e.RetryAfter, "the limit of the room")
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.NoError(t, w.post(t, db))
		require.Zero(t, w.Stats().TooEarly, "the wait concerns one room")
		e = refused(t, 429, w.post(t, db))
		require.Equal(t, time.Second, e.RetryAfter, "the limit of the account")
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoError(t, w.post(t, db))
		refused(t, 429, w.post(t, noc))
		require.Equal(t, 1, w.Stats().TooEarly)

		w.SetLimits(Rate{}, Rate{})
		for range 20 {
			require.NoError(t, w.post(t, noc))
		}
		require.Equal(t, 20+1, w.Stats().TooEarly, "a request during the wait is early even if the bucket has tokens")
	})
}

func TestFaultWithARetryAfterDate(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		until := time.Now().Add(time.Minute).UTC()
		w.AddFault(Fault{Room: "noc", Count: 1, Status: 429, RetryAfter: until.Format(http.TimeFormat)})
		e := refused(t, 429, w.post(t, noc))
		require.Equal(t, time.Minute, e.RetryAfter)
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoError(t, w.post(t, db))
		require.Zero(t, w.Stats().TooEarly, "a fault of one room concerns that room")
		require.NoError(t, w.post(t, noc))
		require.Equal(t, 1, w.Stats().TooEarly)
	})
}

func TestFaults(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		ctx := t.Context()
		t429 := w.AddFault(Fault{Op: "POST /messages", Room: "noc", Skip: 1, Count: 2, Status: 429, RetryAfter: "7", Body: "<html><title>Too many</title></html>"})
		require.NoError(t, w.post(t, noc))
		require.NoError(t, w.post(t, db))
		e := refused(t, 429, w.post(t, noc))
		require.Equal(t, 7*time.Second, e.RetryAfter)
		require.Equal(t, "Too many", e.Message)
		time.Sleep(6 * time.Second)
		refused(t, 429, w.post(t, noc))
		require.Equal(t, 1, w.Stats().TooEarly, "a fault's Retry-After counts too")
		require.NoError(t, w.post(t, noc), "the fault is used up")
		t429()

		before := len(w.Timeline("noc"))
		remove := w.AddFault(Fault{Account: DefaultBot, Drop: true})
		e = unanswered(t, w.post(t, noc))
		require.True(t, e.Unanswered)
		require.Len(t, w.Timeline("noc"), before)
		remove()

		remove = w.AddFault(Fault{Op: "POST /messages", Drop: true, Taken: true})
		require.True(t, unanswered(t, w.post(t, noc)).Unanswered)
		require.Len(t, w.Timeline("noc"), before+1, "the message was posted and the answer lost")
		remove()

		remove = w.AddFault(Fault{Op: "POST /messages", Status: 502, Taken: true})
		require.True(t, refused(t, 502, w.post(t, noc)).Unanswered)
		require.Len(t, w.Timeline("noc"), before+2)
		remove()

		remove = w.AddFault(Fault{Op: "GET /people/me", Account: "nobody@example.com", Status: 500})
		_, err := w.bot.Me(ctx)
		require.NoError(t, err, "the fault is for another account")
		remove()

		defer w.AddFault(Fault{Delay: time.Minute})()
		start := time.Now()
		err = w.post(t, noc)
		require.ErrorContains(t, err, "deadline")
		require.Equal(t, 30*time.Second, time.Since(start))
	})
}

// unanswered requires that err isn't an HTTP answer.
func unanswered(t *testing.T, err error) *webex.Error {
	t.Helper()
	var e *webex.Error
	require.ErrorAs(t, err, &e)
	require.Zero(t, e.Status)
	return e
}

func TestOutage(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		w.Outage(time.Now().Add(time.Hour))
		require.Equal(t, webex.Temporary, refused(t, 503, w.post(t, noc)).Class())
		time.Sleep(time.Hour)
		synctest.Wait()
		require.NoError(t, w.post(t, noc))
		require.Equal(t, 1, w.Stats().Statuses["503"])
	})
}

// A message can be 404 for a moment after its webhook delivery.
func TestMessageDelay(t *testing.T) {
	in(t, Options{MessageDelay: time.Second}, func(t *testing.T, w *world) {
		m := w.line(t, Line{Room: "noc", From: alice, Text: "x", MentionBot: true})
		_, err := w.bot.GetMessage(t.Context(), m.ID)
		refused(t, 404, err)
		time.Sleep(time.Second)
		_, err = w.bot.GetMessage(t.Context(), m.ID)
		require.NoError(t, err)
	})
}
