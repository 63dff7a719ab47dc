package ofrep

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync"
	"time"

	"github.com/switchback-proxy/switchback/secret"
)

const (
	// ticketLife is how often tickets change. One is good until the end of the next such time, so for one to
	// two hours.
	ticketLife = time.Hour
	// ticketWork makes guessing a token from a ticket slow, should somebody have made the token up: a guess
	// takes some tens of milliseconds.
	ticketWork = 100_000
	// maxKeys bounds the keys that are remembered; only tokens that worked have one.
	maxKeys = 256
)

// tickets open streams of events for browsers, which cannot send a token with them. A ticket is a signature
// over the time with a key that is worked out from a token, so it opens streams and nothing else, stops
// with the token, and is good on every node and after a restart: a page whose stream broke comes back
// by itself and hears what it missed.
type tickets struct {
	mu   sync.Mutex // guards keys; held while a token that is new is worked on
	keys map[secret.Hash][]byte
}

// issue is the ticket of a token; who needs none gets none.
func (t *tickets) issue(who *secret.Hash, now time.Time) string {
	if who == nil {
		return ""
	}
	return sign(t.key(who), epoch(now))
}

// key is that of a token.
func (t *tickets) key(who *secret.Hash) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if key := t.keys[*who]; key != nil {
		return key
	}
	if t.keys == nil || len(t.keys) >= maxKeys {
		t.keys = map[secret.Hash][]byte{}
	}
	key, err := pbkdf2.Key(sha256.New, string(who[:]), []byte("switchback flag events"), ticketWork, sha256.Size)
	if err != nil {
		key = who[:] // cannot be: the lengths are right
	}
	t.keys[*who] = key
	return key
}

// prepare works out the keys of tokens, so that no request waits for it.
func (t *tickets) prepare(tokens []secret.Hash) {
	for i := range tokens {
		t.key(&tokens[i])
	}
}

func sign(key []byte, epoch uint64) string {
	mac := hmac.New(sha256.New, key)
	var at [8]byte
	binary.BigEndian.PutUint64(at[:], epoch)
	mac.Write(at[:])
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:24])
}

// find returns which of the tokens a ticket was issued for, nil when it is good for none of them now.
func (t *tickets) find(ticket string, tokens []secret.Hash, now time.Time) *secret.Hash {
	if ticket == "" {
		return nil
	}
	var found *secret.Hash
	for i := range tokens {
		for _, at := range []uint64{epoch(now), epoch(now) - 1} {
			if hmac.Equal([]byte(sign(t.key(&tokens[i]), at)), []byte(ticket)) {
				found = &tokens[i]
			}
		}
	}
	return found
}

func epoch(now time.Time) uint64 {
	return uint64(now.Unix()) / uint64(ticketLife/time.Second) //nolint:gosec // after 1970
}
