package outbound

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxSecret is more than any token or URL needs.
const maxSecret = 4 << 10

// ReadSecret returns what a file holds, without white space around it: a bearer token, or a URL that is
// a secret. It is read at each use, so a new secret needs no restart. Errors name the file, never what it
// holds; a file that is empty, longer than 4 KiB, not regular, or of more than one line is an error.
func ReadSecret(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return "", fmt.Errorf("read secret: %s is not a regular file", file)
	}
	f, err := os.Open(file) //nolint:gosec // the operator names the file
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	if err := sound(b); err != nil {
		return "", fmt.Errorf("read secret: %s %w", file, err)
	}
	return string(bytes.TrimSpace(b)), nil
}

func sound(b []byte) error {
	trimmed := bytes.TrimSpace(b)
	switch {
	case len(trimmed) == 0:
		return errors.New("is empty")
	case len(b) > maxSecret:
		return fmt.Errorf("has more than %d bytes", maxSecret)
	case bytes.ContainsFunc(trimmed, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return errors.New("has more than one word; a secret is one line without spaces")
	}
	return nil
}
