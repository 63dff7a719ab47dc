package proxy

import (
	"bytes"
	"net/http"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/switchback-proxy/switchback/proxy/h1"
)

// rawFields is a head as it was read, with the fields in it.
type rawFields []byte

// Get returns the first value, as http.Header does. It is good as long as the head.
func (h *rawFields) Get(name string) string {
	value, _ := h1.Field(*h, name)
	return alias(value)
}

// Values returns all values, as http.Header does; they are copies.
func (h *rawFields) Values(name string) []string {
	var all []string
	for value := range h1.Fields(*h, name) {
		all = append(all, string(value))
	}
	return all
}

// alias is a string that shares its bytes: it must not outlive them.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) } //nolint:gosec // see above

// cutTarget splits a request target of the origin form, or "*".
func cutTarget(target []byte) (path string) {
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		target = target[:i]
	}
	return alias(target)
}

// dates makes the text of a Date field once a second.
type dates struct{ last atomic.Pointer[dated] }

type dated struct {
	second int64
	text   string
}

func (d *dates) at(t time.Time) string {
	last := d.last.Load()
	if second := t.Unix(); last == nil || last.second != second {
		last = &dated{second, t.UTC().Format(http.TimeFormat)}
		d.last.Store(last)
	}
	return last.text
}
