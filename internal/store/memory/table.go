package memory

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"nms-alert-relay/internal/store"
)

// table holds rows by value. Its writes are undone if the call that makes them fails.
type table[K comparable, V any] struct {
	rows map[K]V
	undo *undo
}

// undo are the steps that undo the writes of a call, in the order of the writes.
type undo []func()

func newTable[K comparable, V any](u *undo) table[K, V] { return table[K, V]{map[K]V{}, u} }

func (t table[K, V]) put(key K, row V) {
	t.remember(key)
	t.rows[key] = own(row)
}

func (t table[K, V]) delete(key K) {
	t.remember(key)
	delete(t.rows, key)
}

func (t table[K, V]) remember(key K) {
	row, known := t.rows[key]
	*t.undo = append(*t.undo, func() {
		if t.rows[key] = row; !known {
			delete(t.rows, key)
		}
	})
}

// get returns a row. name describes it in errors.
func (t table[K, V]) get(key K, name string) (row V, err error) {
	row, ok := t.rows[key]
	if !ok {
		return row, fmt.Errorf("%s: %w", name, store.ErrNotFound)
	}
	return own(row), nil
}

// update changes a row.
func (t table[K, V]) update(key K, name string, change func(row *V)) error {
	row, err := t.get(key, name)
	if err == nil {
		change(&row)
		t.put(key, row)
	}
	return err
}

// find returns the first rows that pass, in an order. A limit of 0 stands for none.
func (t table[K, V]) find(limit int, order func(a, b V) int, pass func(row V) bool) (found []V) {
	for row := range maps.Values(t.rows) {
		if pass(row) {
			found = append(found, row)
		}
	}
	slices.SortFunc(found, order)
	if limit > 0 && len(found) > limit {
		found = found[:limit]
	}
	for i := range found {
		found[i] = own(found[i])
	}
	return found
}

// count counts the rows that pass.
func (t table[K, V]) count(pass func(row V) bool) (n int) {
	for row := range maps.Values(t.rows) {
		if pass(row) {
			n++
		}
	}
	return n
}

// remove removes the first rows that pass, in an order, and returns how many.
func (t table[K, V]) remove(limit int, order func(a, b V) int, pass func(row V) bool, remove func(row V)) int {
	rows := t.find(limit, order, pass)
	for _, row := range rows {
		remove(row)
	}
	return len(rows)
}

// own returns a value as a database returns it: its times in UTC to the microsecond, and no memory shared with
// another value.
func own[T any](v T) T {
	detach(reflect.ValueOf(&v).Elem())
	return v
}

func detach(v reflect.Value) {
	if !v.CanInterface() {
		return // a field of ours
	}
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		if *p = p.UTC().Truncate(time.Microsecond); p.IsZero() {
			*p = time.Time{}
		}
	case *[]byte:
		*p = slices.Clone(*p)
	case *[]string:
		*p = slices.Clone(*p)
	default:
		if v.Kind() == reflect.Struct {
			for i := range v.NumField() {
				detach(v.Field(i))
			}
		}
	}
}
