package provision

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// OnDisk is the relay's token file.
type OnDisk struct {
	Path string
	// Like is a file that the relay can read: a new token file gets its owner, if we may give it away.
	Like string
	// Others are the files with other secrets of the configuration: what each is for, by name.
	Others map[string]string
}

// tokenPattern matches an API token of Zabbix.
var tokenPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Name returns the file's name.
func (f OnDisk) Name() string { return f.Path }

// Read returns the token in the file. What isn't a token stays where it is: setup neither sends it to Zabbix nor overwrites it.
func (f OnDisk) Read() (value, missing string, err error) {
	if what := f.other(); what != "" {
		return "", "", fmt.Errorf("%s is the file of the %s: name another file for the API token", f.Path, what)
	}
	data, err := os.ReadFile(f.Path)
	switch value := strings.TrimSpace(string(data)); {
	case errors.Is(err, fs.ErrNotExist):
		return "", "missing", nil
	case err != nil:
		return "", "", fmt.Errorf("cannot read the token file: %w", err)
	case value == "":
		return "", "empty", nil
	case !tokenPattern.MatchString(value):
		return "", "", fmt.Errorf("the content of %s doesn't look like an API token (64 hexadecimal digits): name another file, or empty it", f.Path)
	default:
		return value, "", nil
	}
}

// other is what else the configuration uses the file for; "" for nothing.
func (f OnDisk) other() string {
	info, err := os.Stat(f.Path)
	for name, what := range f.Others {
		if other, failed := os.Stat(name); name == f.Path || err == nil && failed == nil && os.SameFile(info, other) {
			return what
		}
	}
	return ""
}

// Prepare makes a new file beside it. The file replaces the old one when it is complete, so a relay never reads half of a token.
func (f OnDisk) Prepare() (func(string) error, error) {
	path := f.Path
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".alert-relay-token-*") // mode 600
	if err != nil {
		return nil, fmt.Errorf("cannot write the token file: %w (--api-token-file names another file)", err)
	}
	giveUp := func() { _, _ = file.Close(), os.Remove(file.Name()) } // nothing is in it
	if err := f.own(file, path); err != nil {
		giveUp()
		return nil, fmt.Errorf("cannot give the token file to its owner: %w", err)
	}
	return func(token string) error {
		if token == "" {
			giveUp()
			return nil
		}
		_, err := file.WriteString(token + "\n")
		if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
			err = os.Rename(file.Name(), path)
		}
		if err != nil {
			giveUp()
			return fmt.Errorf("cannot write the token file: %w (the old token no longer works: run setup again)", err)
		}
		return nil
	}, nil
}

// own gives the new file the owner of the one that it replaces, or of the one that the relay can read, and lets its group read it if
// that one's may. Only root can.
func (f OnDisk) own(file *os.File, path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, model := range []string{path, f.Like} {
		info, err := os.Stat(model)
		if model == "" || err != nil {
			continue
		}
		if err := giveTo(file, info); err != nil {
			return err
		}
		return file.Chmod(0o600 | info.Mode().Perm()&0o040)
	}
	return nil
}
