package ofrep

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/switchback-proxy/switchback/secret"
)

// loading is the answer before the first set of flags.
var loading = failure{status: http.StatusInternalServerError, Code: codeGeneral, Details: "The flags are not loaded yet; try again."}

// scratch is what an answer is put together in.
type scratch struct {
	answers  []answer
	identity []byte
	body     []byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// keepScratch is how large a body may have been to be kept for the next.
const keepScratch = 256 << 10

func (s *scratch) free() {
	if cap(s.body) <= keepScratch {
		scratches.Put(s)
	}
}

// single answers for one flag.
func (d *door) single(w http.ResponseWriter, r *http.Request, key string) {
	now := d.server.state.Load()
	if now == nil {
		f := loading
		f.Key = &key
		refuse(w, f)
		return
	}
	flag := now.set.Flag(key)
	if flag == nil {
		d.server.unknown.Count()
		name := clip(key)
		refuse(w, failure{status: http.StatusNotFound, Key: &name, Code: codeUnknown, Details: "There is no flag " + name + "."})
		return
	}
	c, f := read(r)
	if f != nil {
		now.flags[flag.Index].failed.Count()
		f.Key = &key
		refuse(w, *f)
		return
	}
	a := now.evaluate(flag, &c)
	if a.failed() {
		w.Header()["Content-Type"] = isJSON
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(a.tail.json) // the client went away: nobody to tell
		return
	}
	var room [len(sum{}) + 1]byte
	tag := `"` + hex.EncodeToString(a.identity(room[:0])) + `"`
	if unchanged(w, r, tag) {
		return
	}
	s := scratches.Get().(*scratch)
	defer s.free()
	s.body = a.append(s.body[:0])
	send(w, s.body)
}

// bulk answers for every flag. A flag that needs a targeting key says so in its own entry.
func (d *door) bulk(w http.ResponseWriter, r *http.Request, who *secret.Hash) {
	now := d.server.state.Load()
	if now == nil {
		refuse(w, loading)
		return
	}
	c, f := read(r)
	if f != nil {
		refuse(w, *f)
		return
	}
	s := scratches.Get().(*scratch)
	defer s.free()
	s.answers, s.identity = s.answers[:0], s.identity[:0]
	for _, flag := range now.set.Flags {
		a := now.evaluate(flag, &c)
		s.answers = append(s.answers, a)
		s.identity = a.identity(s.identity)
	}
	ticket := d.server.tickets.issue(who, time.Now())
	s.identity = append(s.identity, ticket...)
	// Weak: the stream that the answer names begins at the set that gave it, so two answers with the same
	// flags may differ there, which is no reason to send them again.
	sum := sha256.Sum256(s.identity)
	if unchanged(w, r, `W/"`+hex.EncodeToString(sum[:16])+`"`) {
		return
	}
	s.body = append(s.body[:0], `{"flags":[`...)
	for i := range s.answers {
		if i > 0 {
			s.body = append(s.body, ',')
		}
		s.body = s.answers[i].append(s.body)
	}
	s.body = append(s.body, `],"metadata":{},"eventStreams":[`...)
	s.body = append(append(s.body, stream(now.set.Digest, ticket)...), `]}`...)
	send(w, s.body)
}

// unchanged sets the tag of the answer, and says so when the client has that answer already.
func unchanged(w http.ResponseWriter, r *http.Request, tag string) bool {
	w.Header().Set("ETag", tag)
	for _, field := range r.Header.Values("If-None-Match") {
		for known := range strings.SplitSeq(field, ",") {
			if weak(known) == weak(tag) {
				w.WriteHeader(http.StatusNotModified)
				return true
			}
		}
	}
	return false
}

// weak is the part of a tag that If-None-Match compares (RFC 9110 §13.1.2).
func weak(tag string) string { return strings.TrimPrefix(strings.TrimSpace(tag), "W/") }

func send(w http.ResponseWriter, body []byte) {
	w.Header()["Content-Type"] = isJSON
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the client went away: nobody to tell
}
