// Package limit bounds what strangers may use up: connections, and tries at guessing a secret.
package limit

import (
	"net/netip"
	"sync"
	"time"
)

const maxAddresses = 4096 // remembered at once

// Tries counts failed tries by client address in windows of fixed length. IPv6 clients count by /64: one of
// them has all the addresses in it. Its methods are safe for concurrent use. Make one with NewTries.
type Tries struct {
	tries  int
	window time.Duration

	mu    sync.Mutex // guards fails
	fails map[string]failures
}

type failures struct {
	since time.Time // of the window
	count int
}

// NewTries allows so many tries from one address in a window.
func NewTries(tries int, window time.Duration) *Tries {
	return &Tries{tries: tries, window: window, fails: map[string]failures{}}
}

// Wait is how long the address has to wait before it may try again; 0: not at all.
func (l *Tries) Wait(address string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.fails[network(address)]
	if f.count < l.tries {
		return 0
	}
	return max(0, l.window-now.Sub(f.since))
}

// Fail books a failed try.
func (l *Tries) Fail(address string, now time.Time) {
	key := network(address)
	l.mu.Lock()
	defer l.mu.Unlock()
	f, known := l.fails[key]
	if !known && len(l.fails) >= maxAddresses {
		l.evict(now)
	}
	if now.Sub(f.since) >= l.window {
		f = failures{since: now}
	}
	f.count++
	l.fails[key] = f
}

// evict forgets the windows that are over and, when none is, the oldest one. It needs mu.
func (l *Tries) evict(now time.Time) {
	oldest, at := "", now
	for key, f := range l.fails {
		if now.Sub(f.since) >= l.window {
			delete(l.fails, key)
		} else if oldest == "" || f.since.Before(at) {
			oldest, at = key, f.since
		}
	}
	if len(l.fails) >= maxAddresses {
		delete(l.fails, oldest)
	}
}

func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Unmap().Is4() {
		return address
	}
	p, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}
