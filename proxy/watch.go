package proxy

import (
	"sync"
	"time"
)

// watchEvery is how often a client is looked at.
const watchEvery = time.Second

// watch notices that an HTTP/1.1 client went away while a part of its request waits to be read: because
// the target does not take it, or does not want it. net/http looks only once a request is read whole.
type watch struct {
	guard *guard
	gone  func()
	mu    sync.Mutex // guards timer, which is nil at the end
	timer *time.Timer
}

func startWatch(g *guard, gone func()) *watch {
	w := &watch{guard: g, gone: gone}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(watchEvery, w.look)
	return w
}

func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.timer == nil:
	case gone(w.guard.socket.Conn):
		w.gone()
	default:
		w.timer.Reset(watchEvery)
	}
}

func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
	w.timer = nil
}
