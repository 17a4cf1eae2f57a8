package receiver

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
)

// The link in Zabbix's event menu leads to Webex and nowhere else, for GET and HEAD.
func TestMessageLinks(t *testing.T) {
	f := newFixture(t)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		rec := f.do(request{method: method, path: f.linkPath(alert.Key{Source: "main", EventID: "4711"})})
		require.Equal(t, 302, rec.Code)
		require.Equal(t, "webexteams://im?space=X&y=<z>", rec.Header().Get("Location"))
		require.Contains(t, rec.Body.String(), `<a href="webexteams://im?space=X&amp;y=&lt;z&gt;">`)
		require.Equal(t, "no-store", rec.Header().Get("Cache-Control"))
	}
	require.True(t, strings.HasPrefix(f.linkPath(alert.Key{Source: "a/b", EventID: "1"}), "/m/a%2Fb/1/"))
}

// An unsigned link reveals nothing: the answer is the same 404 for known and unknown problems.
func TestOnlySignedLinksWork(t *testing.T) {
	f := newFixture(t)
	known := alert.Key{Source: "main", EventID: "4711"}
	good := f.linkPath(known)
	signature := good[strings.LastIndexByte(good, '/')+1:]
	require.Len(t, signature, 16)
	missing := f.do(request{method: "GET", path: f.linkPath(alert.Key{Source: "main", EventID: "4712"})})
	for name, path := range map[string]string{
		"unsigned":               "/m/main/4711",
		"unsigned, with a slash": "/m/main/4711/",
		"another signature":      "/m/main/4711/AAAAAAAAAAAAAAAA",
		"cut short":              strings.TrimSuffix(good, signature[12:]),
		"one character more":     good + "A",
		"in another case":        "/m/main/4711/" + swapCase(signature),
		"of another problem":     "/m/main/4712/" + signature,
		"of another source":      "/m/east/4711/" + signature,
		"of an unknown source":   f.linkPath(alert.Key{Source: "other", EventID: "4711"}),
		"of an id in letters":    f.linkPath(alert.Key{Source: "main", EventID: "x"}),
		"of an id too long":      f.linkPath(alert.Key{Source: "main", EventID: strings.Repeat("9", 30)}),
		"of a line break":        f.linkPath(alert.Key{Source: "main", EventID: "\r\n"}),
		"of markup":              f.linkPath(alert.Key{Source: "<script>", EventID: "1"}),
		"to a script":            f.linkPath(alert.Key{Source: "main", EventID: "1"}),
		"signed with no key":     New(Options{Metrics: f.opts.Metrics}).linkPath(known),
	} {
		t.Run(name, func(t *testing.T) {
			rec := f.do(request{method: "GET", path: path})
			require.Equal(t, 404, rec.Code)
			require.NotContains(t, rec.Body.String(), "script")
			require.Empty(t, rec.Header().Get("Location"))
			require.Equal(t, strings.HasPrefix(name, "unsigned"), strings.Contains(rec.Body.String(), "no such path"))
			if strings.Count(path, "/") == 4 && !strings.HasSuffix(path, "/") {
				require.Equal(t, missing.Body.String(), rec.Body.String())
			}
		})
	}
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		if r >= 'A' && r <= 'Z' {
			return r - 'A' + 'a'
		}
		return r
	}, s)
}

// Load balancers and link previews use HEAD.
func TestHead(t *testing.T) {
	f := newFixture(t)
	for path, status := range map[string]int{"/": 200, "/m/main/4711": 404, "/m/main/4711/x": 404, "/nothing": 404, "/v1/zabbix/events": 405} {
		require.Equal(t, status, f.do(request{method: http.MethodHead, path: path}).Code, path)
	}
}

// A signed link without a message says why.
func TestALinkWithoutAMessageSaysWhy(t *testing.T) {
	f := newFixture(t)
	for id, want := range map[string]struct {
		status int
		answer string
	}{
		"4712": {404, "was not posted"},
		"2":    {404, "Look for event 2 in the room"}, // posted, without an address
		"3":    {503, "Try again in a minute"},        // the store fails
		"1":    {404, "was not posted"},               // an address that isn't one
	} {
		rec := f.do(request{method: "GET", path: f.linkPath(alert.Key{Source: "main", EventID: id})})
		require.Equal(t, want.status, rec.Code, id)
		require.Contains(t, rec.Body.String(), want.answer, id)
	}
}
