package sqlite

import (
	"bytes"
	"context"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/testdata"
)

// Any payload is unpacked to the same bytes, and packed into no more than its own size.
func TestPackedAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		came := bytes.Repeat(rapid.SliceOf(rapid.Byte()).Draw(t, "payload"), rapid.IntRange(1, 50).Draw(t, "times"))
		kept, how := pack(came)
		if len(kept) > len(came) {
			t.Fatalf("%d bytes are stored for %d", len(kept), len(came))
		}
		back, err := unpack(kept, how)
		if err != nil || !bytes.Equal(back, came) {
			t.Fatalf("%q came back as %q: %v", came, back, err)
		}
	})
}

// A Zabbix payload is stored in less than half its size.
func TestPackedPayload(t *testing.T) {
	came, err := fs.ReadFile(testdata.Fixtures, "fixtures/zabbix-7.0/events/problem-severity-4.json")
	require.NoError(t, err)
	s := openHere(t)
	id, err := s.Append(t.Context(), entry(string(came)))
	require.NoError(t, err)
	var size int
	require.NoError(t, s.read.QueryRow(`SELECT length(payload) FROM journal WHERE id = ?`, id).Scan(&size))
	require.Less(t, size, len(came)/2)
	entries, err := s.PendingEntries(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, string(came), string(entries[0].Payload))
}

// Entries written before payloads were packed can be read. One that can't be unpacked doesn't hide others and can be
// set aside.
func TestUnpackedAndDamagedPayloads(t *testing.T) {
	s := openHere(t)
	ctx := context.Background()
	require.NoError(t, s.write(ctx, "journal as it was", func(t *tx) error {
		_, err := t.exec(`INSERT INTO journal (id, source, kind, received_at, payload) VALUES (1, 'main', 'event', 1, CAST('as it came' AS BLOB))`)
		return err
	}))
	require.NoError(t, s.write(ctx, "damaged ones", func(t *tx) error {
		_, err := t.exec(`INSERT INTO journal (id, source, kind, received_at, payload, packed) VALUES
			(2, 'main', 'event', 1, x'ff', 1), (3, 'main', 'event', 1, x'ffffffff0f00', 1), (4, 'main', 'event', 1, x'01', 99)`)
		return err
	}))
	entries, err := s.PendingEntries(ctx, 0)
	require.NoError(t, err)
	require.Len(t, entries, 4)
	require.Equal(t, "as it came", string(entries[0].Payload))
	require.NoError(t, s.CommitFold(ctx, store.Fold{Applied: []int64{1}, SetAside: map[int64]string{2: "not JSON", 3: "not JSON", 4: "not JSON"}}))
	aside, err := s.SetAsideEntries(ctx, 0)
	require.NoError(t, err)
	require.Len(t, aside, 3)
}
