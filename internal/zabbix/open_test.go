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

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

// On every version the open problems are listed with what is compared, and counted in one request.
func TestOpen(t *testing.T) {
	for _, version := range zabbixsim.Versions {
		z, c, log := simulated(t, version)
		list := func() (all []Open) {
			require.NoError(t, c.Open(t.Context(), func(o Open) { all = append(all, o) }), version)
			return all
		}
		counts := func() OpenCounts {
			counts, err := c.OpenCounts(t.Context())
			require.NoError(t, err, version)
			return counts
		}
		first := list()
		require.NotEmpty(t, first)
		before := counts()
		require.Equal(t, len(first), before.Total)
		require.Equal(t, first[len(first)-1].EventID, before.Newest[0])
		require.Empty(t, before.Suppressed)
		require.Empty(t, before.Causes)

		p, _ := z.Problem(4702)
		require.Equal(t, Open{EventID: 4702, Opened: p.Opened.Truncate(time.Second).UTC(), Severity: p.Severity}, first[slices.IndexFunc(first, func(o Open) bool { return o.EventID == 4702 })])
		require.NoError(t, z.Maintain(4702, time.Hour))
		require.NoError(t, z.Do("bob", 4702, zabbixsim.Acknowledge|zabbixsim.Comment, "on it", 0))
		require.NoError(t, z.Do("bob", 4702, zabbixsim.Severity, "", alert.Disaster))
		all := list()
		o := all[slices.IndexFunc(all, func(o Open) bool { return o.EventID == 4702 })]
		require.Equal(t, Open{EventID: 4702, Opened: o.Opened, Severity: alert.Disaster, Acknowledged: true, Suppressed: true, Updates: 2}, o, version)
		after := counts()
		require.Equal(t, before.Acknowledged+1, after.Acknowledged)
		require.Equal(t, []int64{4702}, after.Suppressed)
		require.False(t, after.MoreSuppressed)
		z.Rank(4702, 4701)
		if after = counts(); version < "6.4" {
			require.Nil(t, after.Causes, version)
		} else {
			require.Equal(t, map[int64]int64{4702: 4701}, after.Causes, version)
			require.False(t, after.MoreSymptoms)
		}
		require.Equal(t, before.Severities[alert.Disaster]+1, after.Severities[alert.Disaster])
		z.Resolve(4702)
		require.Len(t, list(), len(first)-1)
		require.Equal(t, before.Total-1, counts().Total)

		oldest, err := c.OldestEvent(t.Context())
		require.NoError(t, err)
		require.False(t, oldest.IsZero())
		require.NoError(t, z.Break("show-nothing"))
		oldest, err = c.OldestEvent(t.Context())
		require.NoError(t, err)
		require.True(t, oldest.IsZero())
		z.Mend()
		require.NoError(t, z.Break("forbid:problem.get"))
		for range 3 {
			require.Equal(t, RoleForbids, KindOf(c.Open(t.Context(), func(Open) {})))
			_, err := c.OpenCounts(t.Context())
			require.Equal(t, RoleForbids, KindOf(err))
		}
		require.Equal(t, 1, strings.Count(log.String(), "method=problem.get"), log)
		require.Contains(t, log.String(), "reconciliation")
	}
}

// Whatever the API answers to several calls in one request, counts are right or an error.
func TestBatchAnswers(t *testing.T) {
	answers := func(change func([]string) []string) string {
		all := []string{`{"jsonrpc":"2.0","result":[{"eventid":"7"}],"id":1}`, `{"jsonrpc":"2.0","result":[],"id":2}`}
		for id := 3; id <= 10; id++ {
			all = append(all, fmt.Sprintf(`{"jsonrpc":"2.0","result":"%d","id":%d}`, id, id))
		}
		all = append(all, `{"jsonrpc":"2.0","result":[{"eventid":"7","cause_eventid":"5"}],"id":11}`)
		return "[" + strings.Join(change(all), ",") + "]"
	}
	same := func(all []string) []string { return all }
	for name, c := range map[string]struct {
		body string
		kind ErrorKind // "" for none
	}{
		"all":              {answers(same), ""},
		"in another order": {answers(func(all []string) []string { slices.Reverse(all); return all }), ""},
		"text around it":   {"<br />Notice: [x]\n" + answers(same) + "<!-- end -->", ""},
		"one is missing":   {answers(func(all []string) []string { return all[1:] }), Unreachable},
		"one is an error": {answers(func(all []string) []string {
			all[4] = `{"jsonrpc":"2.0","error":{"code":-32602,"message":"Invalid params.","data":"Invalid parameter \"/\"."},"id":5}`
			return all
		}), Invalid},
		"one isn't a count":      {answers(func(all []string) []string { all[2] = `{"jsonrpc":"2.0","result":"many","id":3}`; return all }), Unreachable},
		"one is null":            {answers(func(all []string) []string { all[2] = `{"jsonrpc":"2.0","result":null,"id":3}`; return all }), Unreachable},
		"one is another type":    {answers(func(all []string) []string { all[0] = `{"jsonrpc":"2.0","result":true,"id":1}`; return all }), Unreachable},
		"cut off":                {answers(same)[:60], Unreachable},
		"an empty list":          {"[]", Unreachable},
		"one answer for all":     {`{"jsonrpc":"2.0","result":"3","id":1}`, Invalid},
		"a refusal of the whole": {`{"jsonrpc":"2.0","error":{"code":-32602,"message":"Invalid params.","data":"Not authorized."},"id":1}`, NotAuthorised},
		"a page":                 {"<html>Log in</html>", Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if strings.Contains(string(body), "apiinfo.version") {
					fmt.Fprint(w, `{"jsonrpc":"2.0","result":"7.0.22","id":1}`)
					return
				}
				fmt.Fprint(w, c.body)
			}))
			defer server.Close()
			counts, err := New(Options{URL: server.URL}).OpenCounts(t.Context())
			require.Equal(t, c.kind, KindOf(err), "%v", err)
			if c.kind == "" {
				require.Equal(t, OpenCounts{Total: 3, Acknowledged: 4, Severities: [6]int{5, 6, 7, 8, 9, 10}, Newest: []int64{7}, Causes: map[int64]int64{7: 5}}, counts)
			}
		})
	}
}

// A long list has pages. Unexpected answers are errors and end the list.
func TestOpenPages(t *testing.T) {
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
		"one less than a page":       {func(int64) []string { return ids(1, openPage-1) }, openPage - 1, 1},
		"exactly a page":             {func(from int64) []string { return ids(from, openPage)[:max(0, openPage+1-int(from))] }, openPage, 2},
		"nearly three pages":         {func(from int64) []string { return ids(max(1, from), min(openPage, 2999-max(0, from-1))) }, 2999, 3},
		"numbers":                    {func(int64) []string { return []string{`{"eventid":7}`, `{"eventid":8}`} }, 2, 1},
		"the limit is ignored":       {func(from int64) []string { return ids(1, 1400)[min(1400, max(0, from-1)):] }, 1400, 2},
		"the first id is ignored":    {func(int64) []string { return ids(1, openPage) }, -1, 2},
		"the order is ignored":       {func(int64) []string { return []string{`{"eventid":"8"}`, `{"eventid":"7"}`} }, -1, 1},
		"an id twice":                {func(int64) []string { return []string{`{"eventid":"7"}`, `{"eventid":"7"}`} }, -1, 1},
		"no id":                      {func(int64) []string { return []string{`{}`} }, -1, 1},
		"null":                       {func(int64) []string { return []string{`null`} }, -1, 1},
		"an id that isn't a number":  {func(int64) []string { return []string{`{"eventid":"<b>"}`} }, -1, 1},
		"an id that is too large":    {func(int64) []string { return []string{`{"eventid":"18446744073709551615"}`} }, -1, 1},
		"strings, not problems":      {func(int64) []string { return []string{`"7"`} }, -1, 1},
		"the largest id ends a page": {func(int64) []string { return ids(1<<63-openPage, openPage) }, -1, 2},
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
					From      string `json:"eventid_from"`
					Limit     int
					SortField string
				}
				_ = json.Unmarshal(call.Params, &params)
				from, _ := strconv.ParseInt(params.From, 10, 64)
				if params.Limit != openPage || params.SortField != "eventid" {
					t.Errorf("parameters: %s", call.Params)
				}
				fmt.Fprintf(w, `{"jsonrpc":"2.0","result":[%s],"id":1}`, strings.Join(slices.Clip(tc.answer(from)), ","))
			}))
			defer server.Close()
			got := 0
			err := New(Options{URL: server.URL}).Open(t.Context(), func(Open) { got++ })
			require.Equal(t, tc.calls, calls)
			if tc.want < 0 {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}
