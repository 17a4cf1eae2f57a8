package provision

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/zabbix"
)

// between stands between setup and Zabbix.
type between struct {
	API
	change func(method string, params any) error
}

func (b between) Call(ctx context.Context, method string, params, result any) error {
	if err := b.change(method, params); err != nil {
		return err
	}
	return b.API.Call(ctx, method, params, result)
}

// applied plans and applies through change.
func (r *rig) applied(change func(method string, params any) error) (done int, err error) {
	r.t.Helper()
	s := New(r.opts, between{r.client, change}, time.Now)
	plan, err := s.Plan(r.t.Context())
	require.NoError(r.t, err)
	return done, s.Apply(r.t.Context(), plan, func(Step) { done++ })
}

// lose makes Zabbix ignore a property, in one method or in all.
func lose(method, property string) func(string, any) error {
	return func(called string, params any) error {
		if called == method || method == "" {
			if p, ok := params.(map[string]any); ok {
				delete(p, property)
			}
		}
		return nil
	}
}

// What Zabbix stored otherwise than it was written is written once more, and then reported.
func TestWritesAreReadBack(t *testing.T) {
	r := newRig(t, "7.0.22")
	_, err := r.applied(lose("action.create", "pause_symptoms"))
	require.NoError(t, err)
	require.Equal(t, 1, r.sim.Calls()["action.update"])

	r = newRig(t, "7.0.22")
	_, err = r.applied(lose("", "pause_symptoms"))
	require.EqualError(t, err, "action Webex (alert-relay): problems (managed) isn't as it was written: pause for symptoms")
}

// A failure in the middle names the object, keeps no half of a token file, and the next run does the rest.
func TestAFailureInTheMiddle(t *testing.T) {
	r := newRig(t, "7.0.22")
	refused := &zabbix.Error{Method: "user.create", Kind: zabbix.Other, Message: "no more users with " + signing, Detail: "see " + r.opts.Token}
	done, err := r.applied(func(method string, _ any) error {
		if method == "user.create" {
			return refused
		}
		return nil
	})
	require.Equal(t, 3, done)
	require.EqualError(t, err, "user alert-relay: zabbix: user.create: no more users with [secret] (see [secret])")
	left, err := os.ReadDir(filepath.Dir(r.opts.TokenFile.Name()))
	require.NoError(t, err)
	require.Empty(t, left)
	require.Len(t, r.run().Pending(), 4)
}

// The file keeps its old token until the new one is complete in it.
func TestTokenFileIsReplacedAsAWhole(t *testing.T) {
	r := newRig(t, "7.0.22")
	r.run()
	old := r.token()
	require.NoError(t, r.client.Call(t.Context(), "token.update", map[string]any{"tokenid": r.call("token.get", map[string]any{"token": old})[0]["tokenid"], "status": 1}, nil))
	_, err := r.applied(func(method string, _ any) error {
		if method == "token.generate" {
			require.Equal(t, old, r.token())
			return errors.New("away")
		}
		return nil
	})
	require.ErrorContains(t, err, "API token alert-relay: away")
	require.Equal(t, old, r.token())
}

// A file whose content isn't an API token, or that has another secret of the configuration, stays as it is, and Zabbix never sees it.
func TestOtherFilesAreNotOverwritten(t *testing.T) {
	r := newRig(t, "7.0.22")
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	secret := file("secret", strings.Repeat("0a", 32))
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(secret, link))
	for path, want := range map[string]string{
		file("notes", "two lines\nof text\n"):                "doesn't look like an API token",
		file("password", "hunter2\n"):                        "doesn't look like an API token",
		file("two", strings.Repeat("0a", 32)+"\n0a0a0a0a\n"): "doesn't look like an API token",
		secret: "is the file of the secret of source main: name another file",
		link:   "is the file of the secret of source main: name another file",
	} {
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		r.opts.TokenFile = OnDisk{Path: path, Others: map[string]string{secret: "secret of source main"}}
		sent := false
		_, err = New(r.opts, between{r.client, func(_ string, params any) error {
			if p, ok := params.(map[string]any); ok {
				sent = sent || p["token"] == strings.TrimSpace(string(before))
			}
			return nil
		}}, time.Now).Plan(t.Context())
		require.ErrorContains(t, err, want)
		require.False(t, sent)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, before, after)
	}
}

// A symbolic link stays one, and its target gets the token.
func TestTokenFileBehindALink(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	require.NoError(t, os.WriteFile(target, nil, 0o600))
	link := filepath.Join(dir, "zabbix-token")
	require.NoError(t, os.Symlink(target, link))
	commit, err := OnDisk{Path: link}.Prepare()
	require.NoError(t, err)
	token := strings.Repeat("0a", 32)
	require.NoError(t, commit(token))
	value, missing, err := OnDisk{Path: target}.Read()
	require.NoError(t, err)
	require.Empty(t, missing)
	require.Equal(t, token, value)
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink)
}
