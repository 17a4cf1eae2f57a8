package alert

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A problem is written as encoding/json writes it, whatever is in it: any field
// set or not, any text.
func TestAppendJSONWritesAsEncodingJSON(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		var p Problem
		fill(r, reflect.ValueOf(&p).Elem(), rapid.Float64Range(0, 1).Draw(rt, "how full"))
		want, err := json.Marshal(p)
		require.NoError(t, err)
		got, err := p.AppendJSON([]byte("before"))
		require.NoError(t, err)
		require.Equal(t, "before"+string(want), string(got))

		var back Problem
		require.NoError(t, json.Unmarshal(want, &back))
		quick, ok := parseProblem(want)
		require.True(t, ok, "%s", want)
		require.Equal(t, back, quick)
	})
}

// What is read the quick way is read as encoding/json reads it, and what isn't is left
// to that.
func FuzzParseProblemReadsAsEncodingJSON(f *testing.F) {
	var p Problem
	for _, e := range benchmarkEvents() {
		p, _ = Apply(p, e)
		doc, err := p.AppendJSON(nil)
		require.NoError(f, err)
		f.Add(doc)
	}
	for _, doc := range []string{
		`{}`, `null`, ``, `{"key":{"source":"\`, `{"key":{"source":"\n","event_id":"\u00e4"},"origin`, `{"key":{"source":"main","event_id":"1"}`, `{"key":{"source":"main","event_id":"1"},"origin":"","state":"","revision":01,"severity":0,"acknowledged":false,"merge":{}}`,
		`{"key":{"source":"main","event_id":"1"},"origin":"","state":"","revision":1,"hosts":[],"severity":0,"acknowledged":false,"merge":{}}`,
		`{"key":{"source":"main","event_id":"1"},"origin":"","state":"","revision":1,"severity":0,"acknowledged":false,"merge":{"t":[{"o":"}"}],"nu":[]}} `,
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var want Problem
		wrong := json.Unmarshal(doc, &want)
		got, err := ParseProblem(doc)
		if wrong != nil {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

// A time that JSON can't hold is an error of both.
func TestAppendJSONFailsAsEncodingJSON(t *testing.T) {
	p := Problem{OpenedAt: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}
	_, err := json.Marshal(p)
	require.Error(t, err)
	_, err = p.AppendJSON(nil)
	require.Error(t, err)
}

// fill sets a part of all that can be set.
func fill(r *rand.Rand, v reflect.Value, part float64) {
	if v.Kind() != reflect.Struct && r.Float64() > part {
		return
	}
	if at, ok := v.Addr().Interface().(*time.Time); ok {
		if r.Float64() < part {
			*at = time.UnixMicro(r.Int64N(4e15)).UTC()
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(r, v.Field(i), part)
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem(), part)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(3), 3))
		for i := range v.Len() {
			fill(r, v.Index(i), part)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range r.IntN(4) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(r, key, part)
			fill(r, value, part)
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		v.SetString(texts[r.IntN(len(texts))])
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt([]int64{0, 1, -1, 17, 1_795_521_600_000_000}[r.IntN(5)])
	default:
		panic(v.Kind())
	}
}

var texts = []string{"", "Link down", "two\nlines", "tab\tand \r", `"quoted" \ back`, "<b>&amp;</b>", "Zürich ✓ 😀", "\xff\xfe no UTF-8", "\u2028\u2029", "\x00\x1f\x7f", "{", "["}
