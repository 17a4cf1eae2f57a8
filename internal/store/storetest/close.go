package storetest

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// After Close every method returns ErrClosed, whatever it is asked. Closing twice is fine.
func testClose(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	require.NoError(t, s.Ping(t.Context()))
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	methods := reflect.ValueOf(&s).Elem()
	for i := range methods.NumMethod() {
		name, method := methods.Type().Method(i).Name, methods.Method(i)
		if name == "Close" {
			continue
		}
		args := []reflect.Value{reflect.ValueOf(t.Context())}
		for n := 1; n < method.Type().NumIn(); n++ {
			args = append(args, reflect.Zero(method.Type().In(n)))
		}
		results := method.Call(args)
		err, _ := results[len(results)-1].Interface().(error)
		require.ErrorIs(t, err, store.ErrClosed, name)
	}
}
