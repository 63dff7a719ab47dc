package ofrep

import (
	"crypto/sha256"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/switchback-proxy/switchback/secret"
)

// authorize returns the hash of the token of a request, nil where none is needed. A failure with a time
// passes by itself after it.
func (d *door) authorize(r *http.Request) (who *secret.Hash, f *failure, wait time.Duration) {
	if d.tokens == nil || d.tokens.None() {
		return nil, nil, 0
	}
	now, from := time.Now(), remote(r)
	given, tried := credential(r.Header)
	valid := d.tokens.Find(given, now) >= 0
	if !valid && r.URL.Path == eventsPath {
		if hash := d.server.tickets.find(r.URL.Query().Get("ticket"), d.tokens.Hashes(now), now); hash != nil {
			return hash, nil, 0
		}
	}
	// The right token is refused as well, or a guess would learn from the answer whether it was right. Not on
	// this machine: one address is everybody there.
	if wait := d.server.tries.Wait(from, now); wait > 0 && (!valid || !local(from)) {
		return nil, &failure{
			status: http.StatusTooManyRequests, Code: codeGeneral,
			Details: "Too many wrong tokens came from " + from + "; wait a minute.",
		}, wait
	}
	if !valid {
		if tried {
			d.server.tries.Fail(from, now)
		}
		return nil, &failure{
			status: http.StatusUnauthorized, Code: codeGeneral,
			Details: "Send a token of this listener as Authorization: Bearer TOKEN, or as X-API-Key.",
		}, 0
	}
	hash := sha256.Sum256([]byte(given))
	return &hash, nil, 0
}

// credential is the secret in a request's head. Given is true for anything that claims to be one.
func credential(h http.Header) (given string, tried bool) {
	if given, tried = secret.Bearer(h); tried {
		return given, true
	}
	keys := h.Values("X-API-Key")
	if len(keys) != 1 {
		return "", len(keys) > 0
	}
	return keys[0], true
}

// remote is the client's address without its port.
func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// local reports whether an address is this machine.
func local(address string) bool {
	ip, err := netip.ParseAddr(address)
	return err == nil && ip.Unmap().IsLoopback()
}
