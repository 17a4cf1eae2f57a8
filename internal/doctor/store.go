package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/seal"
	"nms-alert-relay/internal/vault"
	"nms-alert-relay/internal/watch"
)

// Store is what was read of the store.
type Store struct {
	Bytes          int64
	Mode           fs.FileMode
	Schema, Newest int64    // versions: of the file, and of this program
	Damage         []string // what the integrity check found
	Unchecked      bool     // the integrity check took too long
	Pending        int64    // events that wait to be processed
	Troubles       []watch.Stored
	Canary         string // of the encryption; "" for none
	Free           uint64 // bytes
	FreeKnown      bool
}

// minFree is the free space below which the alert AlertRelayStoreSpaceLow fires too.
const minFree = 512 << 20

// maxBackupAge is how old the newest backup may be. Most are made daily; one may fail.
const maxBackupAge = 48 * time.Hour

func storeChecks(ctx context.Context, o Options) []Check {
	l := list{area: "store"}
	if o.Store == nil {
		return nil
	}
	if o.StorePath == "" {
		l.warning("file", "the store's path is unknown", "correct the configuration")
		return l.checks
	}
	s, err := o.Store(ctx, o.StorePath)
	judgeStore(&l, o.StorePath, s, err)
	if err == nil && o.Config != nil {
		judgeEncryption(&l, o.Config.Encryption.Keyring(), s.Canary)
	}
	checks := judgeTroubles(s.Troubles)
	newest, err := newestBackup(o.Backups)
	judgeBackups(&l, o.Backups, newest, err, o.Now())
	return append(l.checks, checks...)
}

// judgeStore judges what was read of a store.
func judgeStore(l *list, path string, s Store, err error) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.warning("file", path+" doesn't exist yet", "the relay makes it when it starts for the first time; otherwise correct store.path, or restore a backup")
		return
	case err != nil:
		l.failure("file", err.Error(), "run this as the relay's user or as root; if the file is damaged, restore a backup")
		return
	case s.Mode.Perm()&0o007 != 0:
		l.warning("file", path+" is accessible by everybody on this machine: it has alert texts and the secret of the webhooks", "chmod o-rwx "+path)
	default:
		l.ok("file", fmt.Sprintf("%s: %s, %d events pending", path, size(uint64(s.Bytes)), s.Pending))
	}
	switch {
	case s.Schema > s.Newest:
		l.failure("schema", fmt.Sprintf("version %d, but this program supports %d at most: a newer relay wrote it", s.Schema, s.Newest), "run that version, or restore the backup made before the upgrade")
	case s.Schema < s.Newest:
		l.warning("schema", fmt.Sprintf("version %d, and this program writes %d: the relay migrates it when it starts", s.Schema, s.Newest), "make a backup before the upgrade")
	default:
		l.ok("schema", fmt.Sprintf("version %d", s.Schema))
	}
	switch {
	case len(s.Damage) > 0:
		l.failure("integrity", "damaged: "+strings.Join(s.Damage, "; "), "restore a backup: docs/troubleshooting.md, \"The database is damaged\"")
	case s.Unchecked:
		l.warning("integrity", "the check wasn't finished in time", "check a copy: 'alert-relay backup' does")
	default:
		l.ok("integrity", "no damage found")
	}
	if s.FreeKnown && s.Free < minFree {
		l.warning("space", fmt.Sprintf("only %s are free: when the disk is full, the relay accepts no events", size(s.Free)), "free some space, or move the store")
	} else if s.FreeKnown {
		l.ok("space", size(s.Free)+" are free")
	}
}

// judgeEncryption compares the encryption keys with what was sealed in the store.
func judgeEncryption(l *list, keys seal.Keys, canary string) {
	switch state := vault.Check(keys, canary); {
	case state == vault.Wrong:
		l.failure("encryption", "encryption.keys_file lacks the key "+seal.KeyID(canary)+", with which the store was sealed: people's Zabbix tokens can't be read",
			"put that key back, after the new one; if it is lost, run 'alert-relay rekey --forget-unreadable'")
	case state == vault.Off && canary != "":
		l.warning("encryption", "there is no encryption.keys_file any more: people's Zabbix tokens can't be read", "put the key "+seal.KeyID(canary)+" back")
	case state == vault.Off:
		l.ok("encryption", "no encryption.keys_file: people can't give a Zabbix token of their own")
	case canary != "" && !keys.Current(canary):
		l.warning("encryption", "the store is sealed with an older key", "run 'alert-relay rekey', and then remove the older keys")
	default:
		l.ok("encryption", "the key "+keys[0].ID+" opens what is stored")
	}
}

// judgeTroubles reports what the relay knows to go on: sources that don't report everything, and missing heartbeats.
func judgeTroubles(troubles []watch.Stored) (checks []Check) {
	for _, t := range troubles {
		l := list{area: "relay", target: t.Source}
		since := "since " + t.Since.UTC().Format("2006-01-02 15:04 MST")
		if t.Name != "" {
			l.warning("heartbeat "+t.Name, "it is missing "+since, "see whether its sender runs: docs/operations.md, AlertRelayHeartbeatMissing")
		} else {
			found := "known to the relay " + since
			if t.Count > 0 {
				found = fmt.Sprintf("%d, %s", t.Count, found)
			}
			if t.Detail != "" {
				found += ": " + shown(t.Detail)
			}
			l.warning("trouble: "+string(t.Kind), found, "the message in the default room says what to do; docs/operations.md, AlertRelaySourceTrouble, has the kinds")
		}
		checks = append(checks, l.checks...)
	}
	return checks
}

// newestBackup returns when the newest file was written, of a directory or of one file. The zero time means that there is none.
func newestBackup(name string) (time.Time, error) {
	if name == "" {
		return time.Time{}, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return time.Time{}, err
	}
	if !info.IsDir() {
		return info.ModTime(), nil
	}
	entries, err := os.ReadDir(name)
	var times []time.Time
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && filepath.Ext(e.Name()) != ".partial" {
			times = append(times, info.ModTime())
		}
	}
	if len(times) == 0 {
		return time.Time{}, err
	}
	return slices.MaxFunc(times, func(a, b time.Time) int { return cmp.Compare(a.UnixNano(), b.UnixNano()) }), err
}

// judgeBackups judges the age of the newest backup.
func judgeBackups(l *list, where string, newest time.Time, err error, now time.Time) {
	age := now.Sub(newest).Round(time.Minute)
	switch {
	case where == "":
		l.ok("backup", "not checked: --backups DIRECTORY checks the age of the newest backup")
	case err != nil:
		l.warning("backup", "cannot read "+where+": "+cause(err), "give the directory with the backups, as a user that may read it")
	case newest.IsZero():
		l.warning("backup", where+" has no backup", "make one: alert-relay backup FILE")
	case age > maxBackupAge:
		l.warning("backup", fmt.Sprintf("the newest is %s old", age), "check the job that makes backups")
	default:
		l.ok("backup", fmt.Sprintf("the newest is %s old", age))
	}
}

// size is a number of bytes for people.
func size(n uint64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
