package zabbix

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/zabbixsim"
)

// On every version exactly the suppressed problems are listed.
func TestSuppressed(t *testing.T) {
	for _, version := range zabbixsim.Versions {
		z, c, log := simulated(t, version)
		got, err := c.Suppressed(t.Context())
		require.NoError(t, err, version)
		require.Empty(t, got)
		require.NoError(t, z.Maintain(4702, time.Hour))
		got, err = c.Suppressed(t.Context())
		require.NoError(t, err, version)
		require.Equal(t, map[string]bool{"4702": true}, got)
		require.NoError(t, z.Break("forbid:problem.get"))
		for range 3 {
			_, err = c.Suppressed(t.Context())
			require.Equal(t, RoleForbids, KindOf(err))
		}
		require.Equal(t, 1, strings.Count(log.String(), "method=problem.get"), log)
		require.Contains(t, log.String(), "maintenance")
		z.Mend()
		require.NoError(t, z.Maintain(4702, 0))
		got, err = c.Suppressed(t.Context())
		require.NoError(t, err)
		require.Empty(t, got)
	}
}

// A long list has pages. Unexpected answers are errors and end the list.
func TestSuppressedPages(t *testing.T) {
	ids := func(from, n int64) (rows []string) {
		for i := range n {
			rows = append(rows, fmt.Sprintf(`{"eventid":"%d"}`, from+i))
		}
		return rows
	}
	for name, tc := range map[string]struct {
		answer func(from int64) []string
		want   int // problems; -1 for an error
		calls  int
	}{
		"none":                       {func(int64) []string { return nil }, 0, 1},
		"one less than a page":       {func(int64) []string { return ids(1, suppressedPage-1) }, suppressedPage - 1, 1},
		"exactly a page":             {func(from int64) []string { return ids(from, suppressedPage)[:max(0, suppressedPage+1-int(from))] }, suppressedPage, 2},
		"nearly three pages":         {func(from int64) []string { return ids(max(1, from), min(suppressedPage, 14999-max(0, from-1))) }, 14999, 3},
		"numbers":                    {func(int64) []string { return []string{`{"eventid":7}`, `{"eventid":8}`} }, 2, 1},
		"the limit is ignored":       {func(from int64) []string { return ids(1, 7000)[min(7000, max(0, from-1)):] }, 7000, 2},
		"the first id is ignored":    {func(int64) []string { return ids(1, suppressedPage) }, -1, 2},
		"the order is ignored":       {func(int64) []string { return []string{`{"eventid":"8"}`, `{"eventid":"7"}`} }, -1, 1},
		"an id twice":                {func(int64) []string { return []string{`{"eventid":"7"}`, `{"eventid":"7"}`} }, -1, 1},
		"no id":                      {func(int64) []string { return []string{`{}`} }, -1, 1},
		"null":                       {func(int64) []string { return []string{`null`} }, -1, 1},
		"an id that isn't a number":  {func(int64) []string { return []string{`{"eventid":"<b>"}`} }, -1, 1},
		"an id that is too large":    {func(int64) []string { return []string{`{"eventid":"18446744073709551615"}`} }, -1, 1},
		"strings, not problems":      {func(int64) []string { return []string{`"7"`} }, -1, 1},
		"the largest id ends a page": {func(int64) []string { return ids(1<<63-suppressedPage, suppressedPage) }, -1, 2},
		"a negative id":              {func(int64) []string { return []string{`{"eventid":"-7"}`} }, -1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				var call struct {
					Method string
					Params json.RawMessage
				}
				_ = json.Unmarshal(body, &call)
				if call.Method == "apiinfo.version" {
					fmt.Fprint(w, `{"jsonrpc":"2.0","result":"7.0.22","id":1}`)
					return
				}
				calls++
				var params struct {
					From       string `json:"eventid_from"`
					Suppressed bool
					Limit      int
					SortField  string
				}
				_ = json.Unmarshal(call.Params, &params)
				from, _ := strconv.ParseInt(params.From, 10, 64)
				if !params.Suppressed || params.Limit != suppressedPage || params.SortField != "eventid" {
					t.Errorf("parameters: %s", call.Params)
				}
				fmt.Fprintf(w, `{"jsonrpc":"2.0","result":[%s],"id":1}`, strings.Join(slices.Clip(tc.answer(from)), ","))
			}))
			defer server.Close()
			got, err := New(Options{URL: server.URL}).Suppressed(t.Context())
			require.Equal(t, tc.calls, calls)
			if tc.want < 0 {
				require.Error(t, err)
				require.Empty(t, got)
				return
			}
			require.NoError(t, err)
			require.Len(t, got, tc.want)
		})
	}
}
