package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/switchback-proxy/switchback/store"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

var (
	entriesBucket = []byte("entries")
	metaBucket    = []byte("meta")
	sealKey       = []byte("seal")
)

// errFault marks a panic or a memory fault inside bbolt. The handle must not be used any more: its locks
// may be held for ever.
var errFault = errors.New("database fault")

// database is an open bbolt file whose content was verified.
type database struct {
	bolt *bbolt.DB
	file *os.File // below bolt
}

// openDatabase opens, verifies and reads the database. It never creates one: a missing file is
// fs.ErrNotExist. whole is false when one of the two meta pages is damaged.
func openDatabase(f *folder, wait time.Duration) (d *database, content image, whole bool, err error) {
	whole, err = inspectFile(f)
	if err != nil {
		return nil, image{}, false, err
	}
	d = &database{}
	err = protect(func() error {
		d.bolt, err = bbolt.Open(databaseName, 0o600, d.options(f, wait))
		if err != nil {
			return err
		}
		content, err = d.verify()
		return err
	})
	if err != nil {
		d.abandon(err)
		return nil, image{}, false, err
	}
	return d, content, whole, nil
}

func inspectFile(f *folder) (whole bool, err error) {
	info, err := f.root.Stat(databaseName)
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, fmt.Errorf("not a file but %v", info.Mode())
	}
	file, err := f.root.Open(databaseName)
	if err != nil {
		return false, err
	}
	whole, err = inspect(file, info.Size())
	return whole, errors.Join(err, file.Close())
}

// buildDatabase makes a complete database file beside the one in use.
func buildDatabase(f *folder, content image) error {
	if err := f.removeIfThere(databaseName + newSuffix); err != nil {
		return err
	}
	d := &database{}
	err := protect(func() (err error) {
		o := d.options(f, time.Second)
		open := o.OpenFile
		o.OpenFile = func(_ string, flag int, perm os.FileMode) (*os.File, error) {
			return open(databaseName+newSuffix, flag|os.O_EXCL, perm)
		}
		if d.bolt, err = bbolt.Open(databaseName, 0o600, o); err != nil {
			return err
		}
		if err := d.bolt.Update(func(tx *bbolt.Tx) error { return fill(tx, content) }); err != nil {
			return err
		}
		return d.bolt.Close()
	})
	if err != nil {
		d.abandon(err)
		return errors.Join(err, f.removeIfThere(databaseName+newSuffix)) // gives back the room it took
	}
	return nil
}

func (d *database) options(f *folder, wait time.Duration) *bbolt.Options {
	return &bbolt.Options{
		Timeout:      wait,
		NoStatistics: true,
		OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
			file, err := f.root.OpenFile(name, flag, perm)
			d.file = file
			return file, err
		},
	}
}

// verify runs bbolt's own check, then reads every entry and holds it against its checksum and all of
// them against the seal.
func (d *database) verify() (content image, err error) {
	err = d.bolt.View(func(tx *bbolt.Tx) error {
		var found error
		for err := range tx.Check() {
			found = errors.Join(found, err)
		}
		if found != nil {
			return found
		}
		content, err = load(tx)
		return err
	})
	return content, err
}

func load(tx *bbolt.Tx) (image, error) {
	entries, head := tx.Bucket(entriesBucket), tx.Bucket(metaBucket)
	if entries == nil || head == nil {
		return image{}, errors.New("not a state database: a bucket is missing")
	}
	seal := head.Get(sealKey)
	if len(seal) < revisionSize {
		return image{}, errors.New("seal is missing")
	}
	var list []store.Entry
	err := entries.ForEach(func(k, v []byte) error {
		e, err := decodeEntry(k, v)
		list = append(list, e)
		return err
	})
	if err != nil {
		return image{}, err
	}
	at := store.Revision(binary.BigEndian.Uint64(seal)) //nolint:gosec // the seal is compared below
	content, err := newImage(list, at)
	if err != nil {
		return image{}, err
	}
	if !bytes.Equal(seal, content.seal()) {
		return image{}, errors.New("the entries are not those that were sealed")
	}
	return content, content.check()
}

// write commits a change: the database goes from the content sealed with was to the content will. If it
// does not hold what it should, as after a commit that failed half way, it is written anew as a whole.
func (d *database) write(c store.Change, was []byte, will image) error {
	return protect(func() error {
		return d.bolt.Update(func(tx *bbolt.Tx) error {
			entries, head := tx.Bucket(entriesBucket), tx.Bucket(metaBucket)
			if entries == nil || head == nil || !bytes.Equal(head.Get(sealKey), was) {
				return fill(tx, will)
			}
			if err := put(entries, c); err != nil {
				return err
			}
			return head.Put(sealKey, will.seal())
		})
	})
}

func put(entries *bbolt.Bucket, c store.Change) error {
	if c.Deleted {
		return entries.Delete([]byte(c.Key))
	}
	return entries.Put([]byte(c.Key), encodeEntry(c.Entry))
}

// fill replaces whatever is in the database.
func fill(tx *bbolt.Tx, content image) error {
	for _, name := range [][]byte{entriesBucket, metaBucket} {
		if err := tx.DeleteBucket(name); err != nil && !errors.Is(err, berrors.ErrBucketNotFound) {
			return err
		}
	}
	entries, err := tx.CreateBucket(entriesBucket)
	if err != nil {
		return err
	}
	for _, e := range content.entries {
		if err := put(entries, store.Change{Entry: e}); err != nil {
			return err
		}
	}
	head, err := tx.CreateBucket(metaBucket)
	if err != nil {
		return err
	}
	return head.Put(sealKey, content.seal())
}

// close closes the file. It waits for nothing: there is one user.
func (d *database) close() error { return protect(d.bolt.Close) }

// abandon lets go of a database after an error. After a fault only the file is closed: bbolt would wait
// for a lock that nobody gives back. The mapping stays until the process ends.
func (d *database) abandon(err error) {
	switch {
	case d.bolt != nil && !errors.Is(err, errFault):
		_ = d.close()
	case d.file != nil:
		_ = syscall.Flock(int(d.file.Fd()), syscall.LOCK_UN)
		_ = d.file.Close()
	}
}

// protect turns a panic into an error, and a fault too: reading a mapped page of a file that has become
// shorter, or that the disk cannot deliver. It covers the goroutine that runs fn and no other.
func protect(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errFault, r)
		}
	}()
	return fn()
}

// blameless tells errors that say nothing about a file: setting it aside would not help.
func blameless(err error) bool {
	for _, e := range []error{ErrInUse, berrors.ErrTimeout, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// missing tells a file that is not there from one that cannot be read.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
