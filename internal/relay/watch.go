package relay

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"nms-alert-relay/internal/config"
)

const (
	// pollEvery is how often files are compared in any case: some file systems report no changes.
	pollEvery = time.Minute
	// settle is how long files must be unchanged before they are read: a change is often several.
	settle = 500 * time.Millisecond
)

// watch reloads the configuration when a signal asks for it, and when one of its files has changed: the configuration, secrets,
// certificates, templates.
func (r *Relay) watch(ctx context.Context) error {
	if r.read == nil {
		<-ctx.Done()
		return nil
	}
	var events chan fsnotify.Event
	var faults chan error
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		r.log.Warn("cannot watch the configuration's files: they are compared once a minute instead", "error", err)
	} else {
		defer watcher.Close()
		events, faults = watcher.Events, watcher.Errors
	}
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	settled := time.NewTimer(0) // files may have changed since they were read for the start
	defer settled.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.signal:
			_, _ = r.Reload(ctx, "signal") // it logs its error
		case <-settled.C:
			r.reloadChanged("changed files")
		case <-poll.C:
			r.reloadChanged("changed files")
		case e := <-events:
			if e.Op != fsnotify.Chmod {
				settled.Reset(settle)
			}
			continue
		case err := <-faults:
			r.log.Debug("watching the configuration's files", "error", err)
			continue
		}
		if watcher != nil && r.follow(watcher) {
			settled.Reset(settle) // a file may have changed after it was read and before it was watched
		}
	}
}

// follow watches all files. It reports whether any wasn't watched yet, or no longer.
func (r *Relay) follow(watcher *fsnotify.Watcher) (added bool) {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	already := watcher.WatchList()
	for name := range r.files {
		path := watched(name, r.started.Store.Path)
		if !slices.Contains(already, path) && watcher.Add(path) == nil { // what doesn't exist is found by the next poll
			already, added = append(already, path), true
		}
	}
	return added
}

// watched returns the path to watch for changes of a file: its directory, since an editor replaces the file, and Kubernetes a link
// beside it. In the store's directory it is the file: each commit changes that directory.
func watched(file, store string) string {
	dir := filepath.Dir(file)
	if dir == filepath.Dir(store) {
		return file
	}
	return dir
}

// reloadChanged reloads the configuration if a file differs from what the last attempt read.
func (r *Relay) reloadChanged(by string) {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	cfg, seen, err := r.readFiles()
	if maps.Equal(seen, r.files) {
		return
	}
	_, _ = r.reload(cfg, seen, err, by) // it logs its error
}

// readFiles reads the configuration, and remembers every file that it consists of.
func (r *Relay) readFiles() (*config.Config, files, error) {
	seen := files{}
	cfg, err := r.read(seen.add)
	if err != nil {
		return nil, seen, err
	}
	dirs := map[string]bool{cfg.Templates.Dir: true}
	for _, route := range cfg.Routes {
		dirs[route.Templates] = true
	}
	delete(dirs, "")
	for dir := range dirs {
		entries, _ := os.ReadDir(dir) // loading the templates reports an error
		for _, e := range entries {
			if e.IsDir() {
				continue
			}
			name := filepath.Join(dir, e.Name())
			content, _ := os.ReadFile(name)
			seen.add(name, content)
		}
	}
	return cfg, seen, nil
}
