package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// The layout of a bbolt file, version 2. Numbers are in the byte order of the machine.
const (
	pageHead   = 16 // id, flags, count, overflow
	metaSize   = 64 // after the page head; the last 8 bytes are its checksum
	bucketHead = 16 // root page, sequence
	element    = 16

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10
	leafBucket   = 0x01

	metaMagic   = 0xED0CDAED
	metaVersion = 2
	freeMany    = 0xFFFF // the count is in the first id
)

// inspector walks the pages of a bbolt file as bbolt would, but believes nothing: every page number,
// offset and count is held against the size of the file before it is used.
//
// bbolt itself trusts its pages. A flipped bit in a page number or an overflow count makes it read foreign
// memory, allocate without end or recurse for ever, and its own consistency check does so in a goroutine
// that no recover of ours can reach. What has passed here is safe to hand to it; and a page the disk cannot
// deliver is an error here, where to bbolt it would be a fault.
type inspector struct {
	r     io.ReaderAt
	page  uint64 // bytes
	pages uint64 // in use
	seen  []bool // by page: reachable or free
}

// meta is the part of a meta page that is of interest.
type meta struct {
	pageSize                   int
	root, freelist, pages, txn uint64
}

// inspect checks the structure of a file of this size. whole is false when one of the two meta pages is
// damaged: then the last transaction may be missing, because bbolt goes on with the one before.
func inspect(r io.ReaderAt, size int64) (whole bool, err error) {
	m, whole, err := readMeta(r)
	if err != nil {
		return false, err
	}
	page := uint64(os.Getpagesize()) //nolint:gosec // positive
	if m.pages > uint64(max(size, 0))/page {
		return whole, fmt.Errorf("%d pages of %d bytes in a file of %d", m.pages, page, size)
	}
	i := &inspector{r: r, page: page, pages: m.pages, seen: make([]bool, m.pages)}
	if err := i.walk(m.root); err != nil {
		return whole, err
	}
	return whole, i.free(m.freelist)
}

// readMeta returns the valid meta page of the later transaction, as bbolt chooses it, and whether both
// were valid. The file of a machine with another page size is refused: last-good.json travels, it does not.
func readMeta(r io.ReaderAt) (best meta, whole bool, err error) {
	whole = true
	for _, at := range []int64{0, int64(os.Getpagesize())} {
		b := make([]byte, pageHead+metaSize)
		if _, err := r.ReadAt(b, at); err != nil && !errors.Is(err, io.EOF) {
			return meta{}, false, err
		}
		m, ok := parseMeta(b[pageHead:])
		if ok && m.pageSize != os.Getpagesize() {
			return meta{}, false, fmt.Errorf("pages of %d bytes, this machine has %d", m.pageSize, os.Getpagesize())
		}
		if ok && m.txn >= best.txn {
			best = m
		}
		whole = whole && ok
	}
	if best == (meta{}) {
		return meta{}, false, errors.New("no valid meta page")
	}
	return best, whole, nil
}

func parseMeta(b []byte) (meta, bool) {
	u32, u64 := binary.NativeEndian.Uint32, binary.NativeEndian.Uint64
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSize-8]) // a hash takes everything
	ok := u32(b) == metaMagic && u32(b[4:]) == metaVersion && u64(b[metaSize-8:]) == sum.Sum64()
	// Between these lie flags at 12 and the root bucket's sequence at 24.
	return meta{
		pageSize: int(u32(b[8:])), root: u64(b[16:]), freelist: u64(b[32:]), pages: u64(b[40:]), txn: u64(b[48:]),
	}, ok
}

// read returns a page with its overflow, and marks it as seen.
func (i *inspector) read(id uint64) ([]byte, error) {
	head := make([]byte, pageHead)
	if id < 2 || id >= i.pages {
		return nil, fmt.Errorf("page %d of %d", id, i.pages)
	}
	at := int64(id * i.page) //nolint:gosec // below the size of the file
	if _, err := i.r.ReadAt(head, at); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	own, overflow := binary.NativeEndian.Uint64(head), uint64(binary.NativeEndian.Uint32(head[12:]))
	if own != id || overflow >= i.pages-id {
		return nil, fmt.Errorf("page %d: says it is page %d with %d more, of %d", id, own, overflow, i.pages)
	}
	for n := id; n <= id+overflow; n++ {
		if i.seen[n] {
			return nil, fmt.Errorf("page %d: in use twice", n)
		}
		i.seen[n] = true
	}
	b := make([]byte, (overflow+1)*i.page)
	if _, err := i.r.ReadAt(b, at); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	return b, nil
}

// walk checks the tree under a page. It ends because no page is read twice.
func (i *inspector) walk(id uint64) error {
	b, err := i.read(id)
	if err != nil {
		return err
	}
	switch flags := binary.NativeEndian.Uint16(b[8:]); flags {
	case flagBranch:
		err = i.branch(b)
	case flagLeaf:
		err = i.leaf(b)
	default:
		err = fmt.Errorf("flags %#x where a branch or leaf is due", flags)
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

func (i *inspector) branch(b []byte) error {
	elements, err := table(b)
	if err != nil {
		return err
	}
	if len(elements) == 0 {
		return errors.New("branch without children")
	}
	for at := pageHead; at < pageHead+len(elements); at += element {
		e := b[at:]
		if _, err := within(e, binary.NativeEndian.Uint32(e), binary.NativeEndian.Uint32(e[4:]), 0); err != nil {
			return err
		}
		if err := i.walk(binary.NativeEndian.Uint64(e[8:])); err != nil {
			return err
		}
	}
	return nil
}

// leaf checks a leaf page, or a small bucket kept inside the value of its parent.
func (i *inspector) leaf(b []byte) error {
	elements, err := table(b)
	if err != nil {
		return err
	}
	u32 := binary.NativeEndian.Uint32
	for at := pageHead; at < pageHead+len(elements); at += element {
		e := b[at:]
		value, err := within(e, u32(e[4:]), u32(e[8:]), u32(e[12:]))
		if err != nil {
			return err
		}
		switch flags := u32(e); flags {
		case 0:
		case leafBucket:
			err = i.bucket(value)
		default:
			err = fmt.Errorf("element flags %#x", flags)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (i *inspector) bucket(value []byte) error {
	if len(value) < bucketHead {
		return fmt.Errorf("bucket of %d bytes", len(value))
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return i.walk(root)
	}
	if len(value) < bucketHead+pageHead {
		return fmt.Errorf("bucket of %d bytes without a page", len(value))
	}
	if flags := binary.NativeEndian.Uint16(value[bucketHead+8:]); flags != flagLeaf {
		return fmt.Errorf("flags %#x where a leaf is due", flags)
	}
	return i.leaf(value[bucketHead:])
}

// free checks the list of free pages: none of them is reachable, none comes twice.
func (i *inspector) free(id uint64) error {
	b, err := i.read(id)
	if err != nil {
		return fmt.Errorf("free list: %w", err)
	}
	if flags := binary.NativeEndian.Uint16(b[8:]); flags != flagFreelist {
		return fmt.Errorf("free list: page %d has flags %#x", id, flags)
	}
	ids, count := b[pageHead:], uint64(binary.NativeEndian.Uint16(b[10:]))
	if count == freeMany {
		count, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids))/8 {
		return fmt.Errorf("free list: %d pages in %d bytes", count, len(ids))
	}
	for ; count > 0; count, ids = count-1, ids[8:] {
		n := binary.NativeEndian.Uint64(ids)
		if n < 2 || n >= i.pages || i.seen[n] {
			return fmt.Errorf("free list: page %d is out of range, in use or listed twice", n)
		}
		i.seen[n] = true
	}
	return nil
}

// table returns the elements of a page, which follow its head.
func table(b []byte) ([]byte, error) {
	count := int(binary.NativeEndian.Uint16(b[10:]))
	if pageHead+count*element > len(b) {
		return nil, fmt.Errorf("%d elements in %d bytes", count, len(b))
	}
	return b[pageHead : pageHead+count*element], nil
}

// within finds an element's value: pos is counted from the element, the key comes first.
func within(e []byte, pos, key, value uint32) ([]byte, error) {
	start := uint64(pos) + uint64(key)
	end := start + uint64(value)
	if end > uint64(len(e)) {
		return nil, fmt.Errorf("element ends at %d of %d", end, len(e))
	}
	return e[start:end], nil
}
