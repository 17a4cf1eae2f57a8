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
	// maxSettle is how long they are waited for: somebody else's files beside them may change all the time.
	maxSettle = 5 * time.Second
)

// watch reloads the configuration when a signal asks for it, and when one of its files has changed: the configuration, secrets,
// certificates, templates.
func (r *Relay) watch(ctx context.Context) error {
	if r.read == nil {
		<-ctx.Done()
		return nil
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		r.log.Warn("cannot watch the configuration's files: they are compared once a minute instead", "error", err)
		r.reloadChanges(ctx, nil, nil, func() bool { return false })
		return nil
	}
	defer watcher.Close()
	r.reloadChanges(ctx, watcher.Events, watcher.Errors, func() bool { return r.follow(watcher) })
	return nil
}

// reloadChanges compares the files after events, and once a minute. follow watches them all; see Relay.follow.
func (r *Relay) reloadChanges(ctx context.Context, events <-chan fsnotify.Event, faults <-chan error, follow func() (added bool)) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	settled := time.NewTimer(0) // files may have changed since they were read for the start
	defer settled.Stop()
	var since time.Time // of the first event after the last comparison; zero for none
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.signal:
			_, _ = r.Reload(ctx, "signal") // it logs its error
		case <-settled.C:
			since = time.Time{}
			r.reloadChanged("changed files")
		case <-poll.C:
			r.reloadChanged("changed files")
		case e := <-events:
			if e.Op == fsnotify.Chmod {
				continue
			}
			if since.IsZero() {
				since = time.Now()
			}
			settled.Reset(min(settle, time.Until(since.Add(maxSettle))))
			continue
		case err := <-faults:
			r.log.Debug("watching the configuration's files", "error", err)
			continue
		}
		if follow() {
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
