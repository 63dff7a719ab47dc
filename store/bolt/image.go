package bolt

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/switchback-proxy/switchback/store"
)

// format is the version of what is on disk, both in the database and in last-good.json.
const format = 1

// image is the whole content of a store at one revision, and its checksum. The database carries the
// checksum as a seal over all entries, last-good.json over its payload, so each can be held against the
// other.
type image struct {
	revision store.Revision
	entries  []store.Entry // sorted by key
	payload  []byte        // canonical: the same content gives the same bytes
	sum      [sha256.Size]byte
}

// payload is the JSON of an image.
type payload struct {
	Format   int            `json:"format"`
	Revision store.Revision `json:"revision"`
	Entries  []item         `json:"entries"`
}

// item is an entry in last-good.json. Values are base64: a store does not know what is in them.
type item struct {
	Key      string         `json:"key"`
	Value    []byte         `json:"value"`
	Revision store.Revision `json:"revision"`
}

// lastGood is what file writes. The checksum is over the payload's bytes as they stand.
type lastGood struct {
	SHA256  string          `json:"sha256"`
	Payload json.RawMessage `json:"payload"`
}

// empty is the content of a store nobody has written to.
var empty = image{
	payload: []byte(emptyPayload),
	sum:     sha256.Sum256([]byte(emptyPayload)),
}

const emptyPayload = `{"format":1,"revision":0,"entries":[]}`

func newImage(entries []store.Entry, at store.Revision) (image, error) {
	p := payload{Format: format, Revision: at, Entries: make([]item, 0, len(entries))}
	for _, e := range entries {
		if e.Value == nil {
			e.Value = []byte{} // no value and an empty one are the same, also in JSON
		}
		p.Entries = append(p.Entries, item(e))
	}
	b, err := json.Marshal(p)
	if err != nil {
		return image{}, fmt.Errorf("encode state: %w", err)
	}
	return image{revision: at, entries: entries, payload: b, sum: sha256.Sum256(b)}, nil
}

// seal is what the database keeps of an image: its revision and its checksum.
func (i image) seal() []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(i.revision)), i.sum[:]...) //nolint:gosec // revisions are not negative
}

// file is the content of last-good.json. It is put together by hand because json.Marshal would go
// through the payload again, which is most of a write's time when there are many entries.
func (i image) file() []byte {
	b := make([]byte, 0, len(i.payload)+128)
	return fmt.Appendf(b, "{\"sha256\":\"%x\",\"payload\":%s}\n", i.sum, i.payload)
}

// parseFile reads what file wrote. Anything else is an error, never a part of the content.
func parseFile(b []byte) (image, error) {
	var f lastGood
	if err := json.Unmarshal(b, &f); err != nil {
		return image{}, fmt.Errorf("decode: %w", err)
	}
	sum := sha256.Sum256(f.Payload)
	if hex.EncodeToString(sum[:]) != f.SHA256 {
		return image{}, errors.New("checksum does not match the content")
	}
	var p payload
	if err := json.Unmarshal(f.Payload, &p); err != nil {
		return image{}, fmt.Errorf("decode payload: %w", err)
	}
	if p.Format != format {
		return image{}, fmt.Errorf("format %d is not known, only %d", p.Format, format)
	}
	i := image{revision: p.Revision, payload: f.Payload, sum: sum}
	for _, it := range p.Entries {
		i.entries = append(i.entries, store.Entry(it))
	}
	return i, i.check()
}

// check holds what a checksum cannot see: that whoever wrote the content wrote sense.
func (i image) check() error {
	last := ""
	for _, e := range i.entries {
		switch {
		case e.Key <= last:
			return fmt.Errorf("key %q is not after %q", e.Key, last)
		case e.Revision < 1 || e.Revision > i.revision:
			return fmt.Errorf("key %q is at revision %d, the store at %d", e.Key, e.Revision, i.revision)
		}
		last = e.Key
	}
	return nil
}

// The database keeps an entry as its revision, a checksum and the value: bbolt has checksums for its
// meta pages only.
const (
	revisionSize = 8
	headSize     = revisionSize + sha256.Size
)

func encodeEntry(e store.Entry) []byte {
	b := make([]byte, 0, headSize+len(e.Value))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Revision)) //nolint:gosec // revisions are not negative
	sum := digest(e.Key, b, e.Value)
	b = append(b, sum[:]...)
	return append(b, e.Value...)
}

func decodeEntry(key, b []byte) (store.Entry, error) {
	if len(b) < headSize {
		return store.Entry{}, fmt.Errorf("key %q: %d bytes are too few", key, len(b))
	}
	revision, sum, value := b[:revisionSize], b[revisionSize:headSize], b[headSize:]
	e := store.Entry{Key: string(key), Value: append([]byte{}, value...)}
	if got := digest(e.Key, revision, value); string(got[:]) != string(sum) {
		return store.Entry{}, fmt.Errorf("key %q: checksum does not match", key)
	}
	e.Revision = store.Revision(binary.BigEndian.Uint64(revision)) //nolint:gosec // checked above
	return e, nil
}

func digest(key string, revision, value []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(key)))) // where the key ends
	h.Write([]byte(key))
	h.Write(revision)
	h.Write(value)
	h.Sum(sum[:0])
	return sum
}
