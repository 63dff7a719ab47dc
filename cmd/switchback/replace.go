package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// errEdited means that a file changed between reading and writing it.
var errEdited = errors.New("somebody edited it meanwhile; nothing was written")

// replaceFile puts now in place of a file that holds was, whole or not at all: written beside it, on disk, then renamed.
// A link stays a link; mode and, as far as that is allowed, owner stay too.
func replaceFile(path string, was, now []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(real)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(real), "."+filepath.Base(real)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	err = fill(f, info, now)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	is, err := os.ReadFile(real)
	if err != nil {
		return err
	}
	if !bytes.Equal(is, was) {
		return errEdited
	}
	if err := os.Rename(f.Name(), real); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(real))
}

func fill(f *os.File, info os.FileInfo, content []byte) error {
	if _, err := f.Write(content); err != nil {
		return err
	}
	keepOwner(f, info)
	if err := f.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	return f.Sync()
}

// syncFolder makes a rename durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the folder of the file that was named
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
