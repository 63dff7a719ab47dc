package journal

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strconv"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendLine writes a record as one line: checksum, id, value.
func appendLine(b []byte, r Record) []byte {
	content := append(strconv.AppendInt(nil, r.ID, 10), ' ')
	content = append(content, r.Value...)
	b = fmt.Appendf(b, "%08x ", crc32.Checksum(content, castagnoli))
	return append(append(b, content...), '\n')
}

// parse reads the whole lines of a segment. Whole is how many bytes the last whole line ends at; damaged says
// that a line before the end cannot be trusted, whose record is left out.
func parse(b []byte) (records []Record, whole int, damaged bool) {
	for at := 0; at < len(b); {
		end := bytes.IndexByte(b[at:], '\n')
		if end < 0 {
			break
		}
		r, ok := parseLine(b[at : at+end])
		at += end + 1
		if !ok {
			// The last line is torn when the disk had room for its end but not for its middle.
			damaged = damaged || at < len(b)
			continue
		}
		records, whole = append(records, r), at
	}
	return records, whole, damaged
}

func parseLine(line []byte) (Record, bool) {
	sum, content, ok := bytes.Cut(line, []byte{' '})
	if !ok || len(sum) != 8 {
		return Record{}, false
	}
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if err != nil || uint32(want) != crc32.Checksum(content, castagnoli) {
		return Record{}, false
	}
	digits, value, ok := bytes.Cut(content, []byte{' '})
	id, err := strconv.ParseInt(string(digits), 10, 64)
	if !ok || err != nil || len(value) > MaxValue {
		return Record{}, false
	}
	return Record{ID: id, Value: bytes.Clone(value)}, true
}
