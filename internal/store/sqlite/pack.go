package sqlite

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"
)

// How a payload is kept: the column packed of journal.
const (
	asItCame int64 = iota
	packedS2
)

// unpackedMost is more than any payload has: what claims more is damaged.
const unpackedMost = 1 << 30

// scratch is where payloads are packed.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// pack makes a payload smaller where it can. Zabbix's are mostly names of macros and shrink to
// less than half, which is quicker than writing the rest to disk twice, as log and as database.
func pack(payload []byte) ([]byte, int64) {
	most := s2.MaxEncodedLen(len(payload))
	if most < 0 {
		return payload, asItCame
	}
	buf := scratch.Get().(*[]byte)
	defer scratch.Put(buf)
	if cap(*buf) < most {
		*buf = make([]byte, most)
	}
	small := s2.Encode((*buf)[:cap(*buf)], payload)
	if len(small) >= len(payload) {
		return payload, asItCame
	}
	return append(make([]byte, 0, len(small)), small...), packedS2
}

// unpack gives a payload as it came.
func unpack(kept []byte, how int64) ([]byte, error) {
	switch how {
	case asItCame:
		return kept, nil
	case packedS2:
		n, err := s2.DecodedLen(kept)
		if err != nil {
			return nil, err
		}
		if n > unpackedMost {
			return nil, fmt.Errorf("it claims to be %d bytes long", n)
		}
		return s2.Decode(make([]byte, n), kept)
	}
	return nil, fmt.Errorf("it is kept in the unknown way %d", how)
}
