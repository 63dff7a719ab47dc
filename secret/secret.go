// Package secret knows bearer tokens by the files that hold them. It keeps hashes, never secrets, and follows
// the files: a new secret works and a removed one stops without a restart. Who may do what with a token is
// for its users to say.
package secret

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"go.uber.org/zap"
)

const (
	maxSecret = 4 << 10 // bytes of a token file
	// Reread is how long a file that was removed or replaced may still count as it was.
	Reread = time.Second
)

// Hash stands for a secret.
type Hash = [sha256.Size]byte

// Tokens are named secrets. Their files are read again at most once a second, when a request comes. All
// methods are safe for concurrent use.
type Tokens struct {
	log *zap.Logger

	mu      sync.Mutex // guards what follows; held while the small files are read
	list    []token
	checked time.Time
}

type token struct {
	config.Secret
	hash Hash
	dead bool // the file cannot be read now, so the token does not work
}

// Open reads every file. The error tells of each that cannot be read, holds nothing or has the secret of
// another; such a token is among the others but does not work.
func Open(files []config.Secret, log *zap.Logger) (*Tokens, error) {
	t := &Tokens{log: log, checked: time.Now()}
	seen := map[Hash]string{}
	var wrong []error
	for _, f := range files {
		hash, mode, err := read(f.File)
		other, twice := seen[hash]
		switch {
		case err != nil:
			wrong = append(wrong, fmt.Errorf("token %s: %w", f.Name, err))
		case twice:
			wrong = append(wrong, fmt.Errorf("tokens %s and %s have the same secret: nobody could tell who did what", other, f.Name))
		case mode.Perm()&0o077 != 0:
			log.Warn("token file can be read by others", zap.String("token", f.Name), zap.String("file", f.File), zap.Stringer("mode", mode))
		}
		if err == nil {
			seen[hash] = f.Name
		}
		t.list = append(t.list, token{Secret: f, hash: hash, dead: err != nil || twice})
	}
	return t, errors.Join(wrong...)
}

func read(file string) (hash Hash, mode os.FileMode, err error) {
	info, err := os.Stat(file)
	if err != nil {
		return hash, 0, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return hash, 0, errors.New(file + " is not a regular file")
	}
	f, err := os.Open(file) //nolint:gosec // the operator names the file
	if err != nil {
		return hash, 0, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return hash, 0, err
	}
	b = bytes.TrimSpace(b)
	switch {
	case len(b) == 0:
		return hash, 0, errors.New(file + " is empty")
	case len(b) > maxSecret:
		return hash, 0, fmt.Errorf("%s has more than %d bytes", file, maxSecret)
	}
	return sha256.Sum256(b), info.Mode(), nil
}

// None reports whether no token is configured; a token whose file went away still counts.
func (t *Tokens) None() bool { return len(t.list) == 0 }

// Find returns the place of a secret's token in the list that was opened, -1 when there is none. It
// compares hashes and always all of them, so its time tells neither how much of a secret was right nor which
// token it is.
func (t *Tokens) Find(secret string, now time.Time) int {
	sum := sha256.Sum256([]byte(secret))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reread(now)
	found := -1
	for i := range t.list {
		same := subtle.ConstantTimeCompare(sum[:], t.list[i].hash[:]) == 1
		if same && !t.list[i].dead && found < 0 {
			found = i
		}
	}
	return found
}

// Hashes are those of the tokens that work now.
func (t *Tokens) Hashes(now time.Time) []Hash {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reread(now)
	var all []Hash
	for i := range t.list {
		if !t.list[i].dead {
			all = append(all, t.list[i].hash)
		}
	}
	return all
}

// reread needs mu.
func (t *Tokens) reread(now time.Time) {
	if now.Sub(t.checked) < Reread {
		return
	}
	t.checked = now
	for i := range t.list {
		k := &t.list[i]
		hash, _, err := read(k.File)
		switch {
		case err != nil && !k.dead:
			t.log.Warn("token stopped working", zap.String("token", k.Name), zap.Error(err))
		case err == nil && (k.dead || hash != k.hash):
			t.log.Info("token read anew", zap.String("token", k.Name))
		}
		k.dead = err != nil
		if err == nil {
			k.hash = hash
		}
	}
}

// Bearer is the secret of the one Authorization field (RFC 6750 §2.1). Given is true for anything that
// claims to be a credential.
func Bearer(h http.Header) (secret string, given bool) {
	fields := h.Values("Authorization")
	if len(fields) != 1 {
		return "", len(fields) > 0
	}
	scheme, secret, _ := strings.Cut(fields[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", true
	}
	return strings.TrimSpace(secret), true
}
