package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The files of a state folder.
const (
	lockName     = "lock"
	databaseName = "state.db"
	goodName     = "last-good.json"
	markName     = "initialized" // tells a first start from a lost state
	newSuffix    = ".new"        // being written; a leftover of a crash on the next start
	asideSuffix  = ".corrupt-"   // and the time
	asideTime    = "20060102T150405Z"
	asideMax     = 3 // of each file

	lockPoll = 20 * time.Millisecond
)

// ErrInUse means that another process works in the state folder.
var ErrInUse = errors.New("in use by another switchback process")

// folder is a state folder, locked for this process. Paths cannot lead out of it, whatever links are
// laid in it.
type folder struct {
	path string
	root *os.Root
	lock *os.File
}

// openFolder makes the folder if need be and locks it, waiting for another process at most so long.
func openFolder(path string, wait time.Duration) (*folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	syncPath(filepath.Dir(path))
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	lock, err := root.OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = flock(lock, wait)
	}
	if err != nil {
		return nil, errors.Join(err, closeAll(lock, root))
	}
	return &folder{path: path, root: root, lock: lock}, nil
}

// close also gives up the lock.
func (f *folder) close() error { return closeAll(f.lock, f.root) }

// flock takes a lock that ends with the process, however it ends.
func flock(file *os.File, wait time.Duration) error {
	for until := time.Now().Add(wait); ; time.Sleep(lockPoll) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return fmt.Errorf("lock: %w", err)
		case time.Now().After(until):
			return ErrInUse
		}
	}
}

// write puts a whole file in place: whatever happens, the name has the old content or the new one.
func (f *folder) write(name string, content []byte) error {
	if err := f.writeNew(name+newSuffix, content); err != nil {
		return errors.Join(err, f.removeIfThere(name+newSuffix)) // gives back the room it took
	}
	return f.install(name)
}

func (f *folder) writeNew(name string, content []byte) error {
	if err := f.removeIfThere(name); err != nil {
		return err
	}
	file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// install gives a new file, complete and synced, its name.
func (f *folder) install(name string) error {
	if err := f.root.Rename(name+newSuffix, name); err != nil {
		return err
	}
	return f.sync()
}

// sync makes the names in the folder durable.
func (f *folder) sync() error {
	dir, err := f.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (f *folder) exists(name string) bool {
	_, err := f.root.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

// clean removes what a crash left half written.
func (f *folder) clean() error {
	return errors.Join(
		f.removeIfThere(databaseName+newSuffix),
		f.removeIfThere(goodName+newSuffix),
		f.removeIfThere(markName+newSuffix))
}

func (f *folder) removeIfThere(name string) error {
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// setAside renames a file that is of no use, so that a person can look at it, and drops the oldest ones
// of its kind. It returns the new name, or "" when there was no file.
func (f *folder) setAside(name string, at time.Time) (string, error) {
	prefix := name + asideSuffix
	before, err := f.named(prefix)
	if err != nil {
		return "", err
	}
	if len(before) > 0 { // names must sort by age, also within a second and after the clock was set back
		latest, err := time.Parse(asideTime, strings.TrimPrefix(before[len(before)-1], prefix))
		if err == nil && !latest.Before(at.Truncate(time.Second)) {
			at = latest.Add(time.Second)
		}
	}
	to := prefix + at.UTC().Format(asideTime)
	if err := f.root.Rename(name, to); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		return "", err
	}
	for _, old := range before[:max(0, len(before)+1-asideMax)] {
		if err := f.root.Remove(old); err != nil {
			return to, err
		}
	}
	return to, nil
}

// named lists the files whose names begin so, sorted.
func (f *folder) named(prefix string) ([]string, error) {
	list, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range list {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// syncPath makes a new folder's name durable. It is a courtesy: not every parent may be opened.
func syncPath(path string) {
	if dir, err := os.Open(path); err == nil { //nolint:gosec // the operator's own path
		_ = dir.Sync()
		_ = dir.Close()
	}
}

// closer is what files and roots have in common.
type closer interface{ Close() error }

func closeAll(list ...closer) error {
	var errs []error
	for _, c := range list {
		if file, ok := c.(*os.File); ok && file == nil {
			continue
		}
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
