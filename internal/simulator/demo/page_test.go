package demo

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/webexsim"
)

// A text file is readable on the page, and whatever strangers wrote in it is only text.
func TestDocument(t *testing.T) {
	webex := webexsim.NewDefault(webexsim.Options{})
	defer webex.Close()
	post := func(contentType, content string) (message string) {
		var form bytes.Buffer
		w := multipart.NewWriter(&form)
		require.NoError(t, w.WriteField("roomId", webexsim.RoomID("noc")))
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="files"; filename="x"`}, "Content-Type": {contentType}})
		require.NoError(t, err)
		_, err = part.Write([]byte(content))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		r := httptest.NewRequest(http.MethodPost, "/v1/messages", &form)
		r.Header.Set("Authorization", "Bearer "+webexsim.DefaultBotToken)
		r.Header.Set("Content-Type", w.FormDataContentType())
		answer := httptest.NewRecorder()
		webex.ServeHTTP(answer, r)
		require.Equal(t, http.StatusOK, answer.Code, answer.Body)
		all := webex.Timeline("noc")
		return all[len(all)-1].ID
	}
	page := (&Page{Webex: webex}).Handler()
	for name, c := range map[string]struct {
		message string
		status  int
		want    string
	}{
		"markdown":      {post("text/markdown", "# A\n\n**b** <script>alert(1)</script> [x](javascript:alert(2))"), http.StatusOK, "<h1>A</h1>\n<p><strong>b</strong> &lt;script&gt;alert(1)&lt;/script&gt; x</p>"},
		"plain text":    {post("text/plain", "# <b>\n"), http.StatusOK, "<pre># &lt;b&gt;\n</pre>"},
		"a picture":     {post("image/png", "png"), http.StatusNotFound, "no text file"},
		"no such thing": {"x", http.StatusNotFound, "no text file"},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/document?message="+url.QueryEscape(c.message), nil))
			require.Equal(t, c.status, w.Code)
			require.Contains(t, w.Body.String(), c.want)
		})
	}
}
