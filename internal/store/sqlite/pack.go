package sqlite

import (
	"fmt"

	"github.com/klauspost/compress/s2"
)

// How a payload is stored: journal's column packed.
const (
	unpacked int64 = iota
	packedS2
)

// maxUnpacked is more than the size of any payload. A packed payload that claims more is damaged.
const maxUnpacked = 1 << 30

// pack compresses a payload if that makes it smaller. Zabbix's payloads are mostly names of macros and
// shrink to less than half; packing costs less than writing the rest twice, to the log and to the
// database.
func pack(payload []byte) ([]byte, int64) {
	small := s2.Encode(nil, payload)
	if len(small) >= len(payload) {
		return payload, unpacked
	}
	return small, packedS2
}

// unpack returns the original payload.
func unpack(kept []byte, how int64) ([]byte, error) {
	switch how {
	case unpacked:
		return kept, nil
	case packedS2:
		n, err := s2.DecodedLen(kept)
		if err != nil {
			return nil, err
		}
		if n > maxUnpacked {
			return nil, fmt.Errorf("claims to be %d bytes long", n)
		}
		return s2.Decode(make([]byte, n), kept)
	}
	return nil, fmt.Errorf("unknown packing %d", how)
}
