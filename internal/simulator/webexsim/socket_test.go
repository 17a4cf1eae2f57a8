package webexsim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/webexid"
)

const socketQuery = "?outboundWireFormat=text&bufferStates=true&aliasHttpStatus=true"

// service calls a service outside the REST API as the bot.
func (w *world) service(t *testing.T, status int, method, path string, body any) map[string]any {
	t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(t, err)
	r := httptest.NewRequest(method, "http://webex.test"+path, bytes.NewReader(raw))
	r.Header.Set("Authorization", "Bearer "+DefaultBotToken)
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	w.ServeHTTP(answer, r)
	require.Equal(t, status, answer.Code, answer.Body.String())
	var into map[string]any
	if answer.Body.Len() > 0 {
		require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &into))
	}
	return into
}

// aDevice registers a device, and returns the address of its websocket.
func (w *world) aDevice(t *testing.T, name string) (url, socket string) {
	d := w.service(t, http.StatusOK, http.MethodPost, "/wdm/api/v1/devices", map[string]string{
		"name": name, "deviceName": name, "deviceType": "DESKTOP", "model": "m", "localizedModel": "m", "systemName": "s", "systemVersion": "1",
	})
	return d["url"].(string), d["webSocketUrl"].(string)
}

// dial opens a websocket, and authorises with a token if it isn't empty.
func (w *world) dial(t *testing.T, address, token string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(context.Background(), address, &websocket.DialOptions{HTTPClient: &http.Client{Transport: w.transport}})
	require.NoError(t, err)
	if token != "" {
		w.tell(t, c, map[string]any{"id": "a1", "type": "authorization", "data": map[string]string{"token": "Bearer " + token}})
	}
	return c
}

func (w *world) tell(t *testing.T, c *websocket.Conn, v any) {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, c.Write(context.Background(), websocket.MessageText, raw))
}

type socketFrame struct {
	ID, Type string
	Data     struct {
		EventType string
		Activity  struct {
			ID, Verb       string
			Object, Target struct {
				ID, URL string
				Tags    []string
			}
		}
	}
}

func hear(t *testing.T, c *websocket.Conn) (f socketFrame) {
	t.Helper()
	_, raw, err := c.Read(context.Background())
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &f))
	return f
}

// closedWith requires that the server closed the connection with a code.
func closedWith(t *testing.T, c *websocket.Conn, code int) {
	t.Helper()
	for {
		if _, _, err := c.Read(context.Background()); err != nil {
			require.EqualValues(t, code, websocket.CloseStatus(err), "%v", err)
			return
		}
	}
}

// A websocket tells what happens in the bot's rooms; what isn't acknowledged comes again, after 15 minutes or on the next connection.
func TestSocketSendsAgainWhatIsNotAcknowledged(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		_, address := w.aDevice(t, "d")
		c := w.dial(t, address+socketQuery, DefaultBotToken)
		first := hear(t, c)
		require.Equal(t, "mercury.buffer_state", first.Data.EventType)
		w.tell(t, c, map[string]string{"type": "ack", "messageId": first.ID})
		m, err := w.Say(Line{Room: "noc", From: alice, Text: "hello", MentionBot: true})
		require.NoError(t, err)
		_, err = w.Say(Line{Room: "noc", From: alice, Text: "without a mention"})
		require.NoError(t, err)
		said := hear(t, c)
		require.Equal(t, webexid.Key(m.ID), said.Data.Activity.ID)
		require.Equal(t, "post", said.Data.Activity.Verb)
		require.Empty(t, said.Data.Activity.Target.Tags)
		w.tell(t, c, map[string]string{"type": "ping", "id": "p1"})
		require.Equal(t, socketFrame{ID: "p1", Type: "pong"}, hear(t, c))
		began := time.Now()
		require.Equal(t, said.ID, hear(t, c).ID)
		require.InDelta(t, 15*60, time.Since(began).Seconds(), 61)
		require.NoError(t, c.CloseNow())
		synctest.Wait()
		c = w.dial(t, address+socketQuery, DefaultBotToken)
		first = hear(t, c)
		w.tell(t, c, map[string]string{"type": "ack", "messageId": first.ID})
		require.Equal(t, said.ID, hear(t, c).ID)
		w.tell(t, c, map[string]string{"type": "ack", "messageId": said.ID})
		synctest.Wait()
		require.Empty(t, w.Unacknowledged(DefaultBot))
		require.NoError(t, w.Delete(m.ID, alice))
		deleted := hear(t, c)
		require.Equal(t, "delete", deleted.Data.Activity.Verb)
		require.Equal(t, webexid.Key(m.ID), deleted.Data.Activity.Object.ID)
		require.NoError(t, c.CloseNow())
	})
}

// Nothing is replayed for the time without a connection.
func TestSocketReplaysNothing(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		_, address := w.aDevice(t, "d")
		_, err := w.Say(Line{Room: "noc", From: alice, Text: "nobody listens", MentionBot: true})
		require.NoError(t, err)
		c := w.dial(t, address+socketQuery, DefaultBotToken)
		hear(t, c)
		m, err := w.Say(Line{Room: DirectRoomID(DefaultBot, alice), From: alice, Text: "hello"})
		require.NoError(t, err)
		said := hear(t, c)
		require.Equal(t, webexid.Key(m.ID), said.Data.Activity.ID)
		require.Equal(t, []string{"ONE_ON_ONE"}, said.Data.Activity.Target.Tags)
		require.NoError(t, c.CloseNow())
	})
}

func TestSocketCloseCodes(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		url, address := w.aDevice(t, "d")
		silent := w.dial(t, address+socketQuery, "")
		began := time.Now()
		closedWith(t, silent, 1008)
		require.Equal(t, 30*time.Second, time.Since(began), "it didn't authorise")
		closedWith(t, w.dial(t, address+socketQuery, "another-token"), 4401)
		rude := w.dial(t, address+socketQuery, "")
		w.tell(t, rude, map[string]string{"type": "ping", "id": "x"})
		closedWith(t, rude, 4400)
		old := w.dial(t, address+socketQuery, DefaultBotToken)
		hear(t, old)
		current := w.dial(t, address+socketQuery, DefaultBotToken)
		closedWith(t, old, 4000)
		hear(t, current)
		w.CloseSockets(DefaultBot, 1011, "oops")
		closedWith(t, current, 1011)
		last := w.dial(t, address+socketQuery, DefaultBotToken)
		hear(t, last)
		w.SilenceSockets(DefaultBot)
		w.tell(t, last, map[string]string{"type": "ping", "id": "x"})
		synctest.Wait()
		w.service(t, http.StatusNoContent, http.MethodDelete, url[len("http://webex.test"):], nil)
		closedWith(t, last, 1000)
	})
}

func TestSocketHandshake(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		_, address := w.aDevice(t, "d")
		for target, status := range map[string]int{
			address: http.StatusBadRequest, address + "?outboundWireFormat=text": http.StatusBadRequest, address + "0" + socketQuery: http.StatusNotFound,
		} {
			_, answer, err := websocket.Dial(t.Context(), target, &websocket.DialOptions{HTTPClient: &http.Client{Transport: w.transport}})
			require.Error(t, err)
			require.Equal(t, status, answer.StatusCode, target)
		}
		w.StaleSockets(DefaultBot)
		_, answer, err := websocket.Dial(t.Context(), address+socketQuery, &websocket.DialOptions{HTTPClient: &http.Client{Transport: w.transport}})
		require.Error(t, err)
		require.Equal(t, http.StatusNotFound, answer.StatusCode)
	})
}

func TestDevices(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		w.service(t, http.StatusNotFound, http.MethodGet, "/wdm/api/v1/devices", nil)
		w.service(t, http.StatusBadRequest, http.MethodPost, "/wdm/api/v1/devices", map[string]string{"name": "n"})
		w.service(t, http.StatusBadRequest, http.MethodGet, "/u2c/api/v1/catalog", nil)
		w.service(t, http.StatusOK, http.MethodGet, "/u2c/api/v1/catalog?format=hostmap", nil)
		for i := range maxDevices {
			w.aDevice(t, fmt.Sprint("d", i))
		}
		w.service(t, http.StatusForbidden, http.MethodPost, "/wdm/api/v1/devices", map[string]string{
			"name": "n", "deviceName": "n", "deviceType": "DESKTOP", "model": "m", "localizedModel": "m", "systemName": "s", "systemVersion": "1",
		})
		require.Len(t, w.service(t, http.StatusOK, http.MethodGet, "/wdm/api/v1/devices", nil)["devices"], maxDevices)
		w.service(t, http.StatusNotFound, http.MethodPut, "/wdm/api/v1/devices/unknown", map[string]string{"name": "n"})
	})
}
