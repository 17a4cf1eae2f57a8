package memory_test

import (
	"path/filepath"
	"sync"
	"testing"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
	"nms-alert-relay/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	var mu sync.Mutex
	stores := map[string]*memory.Store{} // by directory
	storetest.Run(t, func(t testing.TB, dir string) store.Store {
		mu.Lock()
		defer mu.Unlock()
		dir = filepath.Clean(dir)
		if stores[dir] == nil {
			stores[dir] = memory.New(nil)
		}
		return stores[dir].Handle()
	})
}
