package client

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Running is how a running relay is reached on its own host, which its configuration may no longer say. The relay writes it beside its
// store, without a secret: another user could have it read by root.
type Running struct {
	Admin       string `json:"admin"`                        // the address that it listens on
	Certificate string `json:"certificate_sha256,omitempty"` // see Fingerprint; "" without TLS
	Config      string `json:"config,omitempty"`             // its configuration file, an absolute path
}

// Fingerprint identifies a certificate in DER.
func Fingerprint(certificate []byte) string {
	sum := sha256.Sum256(certificate)
	return hex.EncodeToString(sum[:])
}

// runningFile returns the file beside a store.
func runningFile(store string) string { return store + ".admin" }

// Write replaces the file beside a store. If that fails there is none: one of an earlier relay would mislead.
func (r Running) Write(store string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	name := runningFile(store)
	next := name + ".new"
	if err := Forget(store); err != nil {
		return err
	}
	if err := os.WriteFile(next, append(text, '\n'), 0o600); err != nil {
		return errors.Join(err, ignoreMissing(os.Remove(next)))
	}
	return os.Rename(next, name)
}

// Forget removes the file beside a store.
func Forget(store string) error { return ignoreMissing(os.Remove(runningFile(store))) }

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// packagedStore is the store of a relay that was installed from a package, by the chart or as an image.
const packagedStore = "/var/lib/alert-relay/relay.db"

// findRunning returns what the relay of a configuration wrote. store is the path of its store; if that is "" or has changed, the usual
// places are searched, for a relay of this configuration only.
func findRunning(file, store, usual string) (Running, bool) {
	if store != "" {
		if r, ok := readRunning(store); ok {
			return r, true
		}
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return Running{}, false
	}
	for _, store := range []string{filepath.Join(filepath.Dir(file), usual), packagedStore} {
		if r, ok := readRunning(store); ok && r.Config == file {
			return r, true
		}
	}
	return Running{}, false
}

// readRunning reads the file beside a store, if there is one that this user may read.
func readRunning(store string) (r Running, ok bool) {
	name := runningFile(store)
	if info, err := os.Lstat(name); err != nil || !info.Mode().IsRegular() {
		return r, false
	}
	text, err := os.ReadFile(name)
	return r, err == nil && json.Unmarshal(text, &r) == nil && r.Admin != ""
}
