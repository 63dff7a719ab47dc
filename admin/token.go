package admin

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"go.uber.org/zap"
)

const (
	maxSecret   = 4 << 10     // bytes of a token file
	rereadEvery = time.Second // so a removed file stops its token within a second
)

// tokens holds the hashes of the secrets, never the secrets. Files are read again at most once a
// second, when a request comes: a new secret works and a removed one stops without a restart.
type tokens struct {
	log *zap.Logger

	mu      sync.Mutex // guards what follows; held while the small files are read
	list    []token
	checked time.Time
}

type token struct {
	config.Token
	hash [sha256.Size]byte
	dead bool // the file cannot be read now, so the token does not work
}

// readTokens reads every file. The error tells of each that cannot be read, holds nothing or has the secret
// of another; such a token is among the others but does not work.
func readTokens(cfg []config.Token, log *zap.Logger) (*tokens, error) {
	t := &tokens{log: log, checked: time.Now()}
	seen := map[[sha256.Size]byte]string{}
	var wrong []error
	for _, c := range cfg {
		hash, mode, err := readSecret(c.File)
		other, twice := seen[hash]
		switch {
		case err != nil:
			wrong = append(wrong, fmt.Errorf("token %s: %w", c.Name, err))
		case twice:
			wrong = append(wrong, fmt.Errorf("tokens %s and %s have the same secret: nobody could tell who did what", other, c.Name))
		case mode.Perm()&0o077 != 0:
			log.Warn("token file can be read by others", zap.String("token", c.Name), zap.String("file", c.File), zap.Stringer("mode", mode))
		}
		if err == nil {
			seen[hash] = c.Name
		}
		t.list = append(t.list, token{Token: c, hash: hash, dead: err != nil || twice})
	}
	return t, errors.Join(wrong...)
}

func readSecret(file string) (hash [sha256.Size]byte, mode os.FileMode, err error) {
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

// none reports whether no token is configured; a token whose file went away still counts.
func (t *tokens) none() bool { return len(t.list) == 0 }

// find returns the token of a secret, or nil. It compares hashes and always all of them, so its time
// tells neither how much of a secret was right nor which token it is.
func (t *tokens) find(secret string, now time.Time) *config.Token {
	sum := sha256.Sum256([]byte(secret))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reread(now)
	var found *config.Token
	for i := range t.list {
		same := subtle.ConstantTimeCompare(sum[:], t.list[i].hash[:]) == 1
		if same && !t.list[i].dead && found == nil {
			found = &t.list[i].Token
		}
	}
	return found
}

// reread needs mu.
func (t *tokens) reread(now time.Time) {
	if now.Sub(t.checked) < rereadEvery {
		return
	}
	t.checked = now
	for i := range t.list {
		k := &t.list[i]
		hash, _, err := readSecret(k.File)
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
