//go:build !linux

package bolt_test

import "errors"

func fillDisk(string) error { return errors.New("only Linux has mount namespaces") }
