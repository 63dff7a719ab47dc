//go:build e2e

package e2e

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/demo"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// behaviour is how the servers of a version answer. The zero value is a healthy one: it takes 30 ms in the
// median, 76 ms at p99, and never fails. That is far from what a busy machine adds.
type behaviour struct {
	errors float64 // share answered with 500, drawn for each request on its own
	slower float64 // factor on the latency; 0 is 1
	hangs  bool    // accepts requests and never answers
}

// version is two servers on ports of their own that answer like one version of a service: the pool's name
// as a demo.Answer, and GET /healthz with 200 whatever they do to users.
type version struct {
	urls   []string
	name   string // what they answer with
	now    atomic.Pointer[behaviour]
	asked  atomic.Int64 // requests that arrived, health checks not counted
	failed atomic.Int64 // of these, answered with 500
	server [2]*http.Server
}

// newVersion starts the servers; they end with the test.
func newVersion(t *testing.T, name string) *version {
	t.Helper()
	v := &version{name: name}
	v.now.Store(&behaviour{})
	for i := range v.server {
		ln, err := net.Listen("tcp", binary.Addr(t)) // which nobody else gets once it is closed
		if err != nil {
			t.Fatal(err)
		}
		v.urls = append(v.urls, "http://"+ln.Addr().String())
		v.server[i] = &http.Server{Handler: v, ReadHeaderTimeout: 10 * time.Second}
		go func() { _ = v.server[i].Serve(ln) }() // until it is closed
	}
	t.Cleanup(v.close)
	return v
}

// close refuses connections from now on and ends those that are open.
func (v *version) close() {
	for _, s := range v.server {
		_ = s.Close() // closed twice when a test has closed it already
	}
}

func (v *version) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/healthz" {
		return
	}
	v.asked.Add(1)
	b := v.now.Load()
	if b.hangs {
		<-r.Context().Done()
		return
	}
	took := 30 * math.Exp(0.4*rand.NormFloat64()) * max(b.slower, 1)
	time.Sleep(time.Duration(took * float64(time.Millisecond)))
	w.Header().Set("Content-Type", "application/json")
	if rand.Float64() < b.errors {
		v.failed.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	}
	_ = json.NewEncoder(w).Encode(demo.Answer{Version: v.name}) // a client that left is nobody's failure
}
