package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "switchback.yaml")
	text := "admin: {tokens: [{name: ci, role: viewer, file: ci.token}]}\n" + file(1)
	write(t, path, text)
	c, err := Load(path)
	must(t, err)
	if c.File != path || c.Digest != Digest([]byte(text)) {
		t.Errorf("got file %s and digest %s", c.File, c.Digest)
	}
	if got, want := c.Admin.Tokens[0].File, filepath.Join(dir, "ci.token"); got != want {
		t.Errorf("token file: got %s, want %s beside the configuration", got, want)
	}
	if c.Service("s0") == nil || c.Service("s1") != nil || c.Service("s0").Pool("blue") == nil || c.Service("s0").Pool("green") != nil {
		t.Error("Service or Pool finds the wrong ones")
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	write(t, bad, "services: {}\n")
	big := filepath.Join(dir, "big.yaml")
	write(t, big, "#"+strings.Repeat("x", MaxSize))
	tests := []struct {
		name, path, want string
		problems         bool
	}{
		{"missing", filepath.Join(dir, "none.yaml"), filepath.Join(dir, "none.yaml") + ": no such file", false},
		{"folder", dir, dir + ": not a regular file", false},
		{"device", os.DevNull, os.DevNull + ": not a regular file", false},
		{"wrong", bad, bad + ":1:11: services: there is no service", true},
		{"too large", big, big + ":1: the file has more than 4 MiB", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Load(tt.path)
			if err == nil || c != nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, %v, want an error with %q", c, err, tt.want)
			}
			if _, ok := errors.AsType[Problems](err); ok != tt.problems {
				t.Errorf("error is %T, want Problems: %v", err, tt.problems)
			}
		})
	}
}

// The value is part of what operators and other nodes compare.
func TestDigest(t *testing.T) {
	const want = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	if got := Digest([]byte("hello")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
