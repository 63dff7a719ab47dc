package ofrep

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// nowhere is where answers go that nobody reads.
type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n *nowhere) WriteHeader(int)             {}

func benchmark(b *testing.B, path, body string) {
	b.Helper()
	many := map[string]string{}
	for i := range 100 {
		many[fmt.Sprintf("flag-%d", i)] = `{"strategy":"percentage","value":25,"users":["alice"]}`
	}
	s := newServer(b, compile(b, many))
	r := httptest.NewRequest("POST", path, nil)
	text := strings.NewReader(body)
	r.Body, r.ContentLength = http.NoBody, int64(len(body))
	w := &nowhere{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		text.Reset(body)
		r.Body = reread{text}
		clear(w.header)
		s.ServeHTTP(w, r)
	}
}

// reread is a body that is used again.
type reread struct{ *strings.Reader }

func (reread) Close() error { return nil }

const someone = `{"context":{"targetingKey":"user-1","plan":"pro","country":"CH","version":"2.1.0"}}`

func BenchmarkSingle(b *testing.B)  { benchmark(b, single+"flag-7", someone) }
func BenchmarkBulk100(b *testing.B) { benchmark(b, bulk, someone) }
