package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	_ "modernc.org/sqlite" // the database, without cgo
)

const (
	work   = 25_000   // hashes that a page takes
	leaked = 96 << 10 // bytes of each request that a leak keeps
	rows   = 1000     // that a cart looks at

	reportTakes = 50 * time.Millisecond // of the database, without work of its own
	reportRests = 10 * time.Millisecond
	vat         = 19 // percent
)

// shop is one running version.
type shop struct {
	version string
	faults  faults
	db      *sql.DB
	waiting atomic.Int64 // mails that were not sent yet

	mu   sync.Mutex // guards kept
	kept [][]byte
}

func newShop(version, fault string) (*shop, error) {
	s := &shop{version: version}
	if err := s.faults.set(fault); err != nil {
		return nil, err
	}
	var err error
	if s.db, err = sql.Open("sqlite", "file::memory:?cache=shared"); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	s.db.SetMaxOpenConns(1) // in memory every connection would have a database of its own
	if _, err := s.db.Exec(`CREATE TABLE orders (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, cents INTEGER NOT NULL)`); err != nil {
		return nil, fmt.Errorf("make the tables: %w", err)
	}
	go s.report()
	return s, nil
}

func (s *shop) close() { _ = s.db.Close() }

// report keeps the only connection while it is a fault of this version, until the database is closed. Those
// who wait for it need no processor for that.
func (s *shop) report() {
	for {
		conn, err := s.db.Conn(context.Background())
		if err != nil {
			return
		}
		if s.faults.db.Load() {
			time.Sleep(reportTakes)
		}
		_ = conn.Close()
		time.Sleep(reportRests)
	}
}

func (s *shop) handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "shop_mails_waiting", Help: "Mails that were not sent yet."},
			func() float64 { return float64(s.waiting.Load()) }),
	)
	registry.MustRegister(processCollectors()...)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /cart", s.cart)
	mux.HandleFunc("POST /checkout", s.checkout)
	mux.HandleFunc("GET /receipt", s.receipt)
	mux.HandleFunc("PUT /faults", s.change)
	return mux
}

// cart is the page with most of the work: a query, and a page to be made.
func (s *shop) cart(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	var sum int64
	err := s.db.QueryRowContext(r.Context(),
		`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?) SELECT sum(i) FROM n`, rows).Scan(&sum)
	tell(w, time.Since(began))
	if err != nil {
		http.Error(w, "the cart cannot be read", http.StatusInternalServerError)
		return
	}
	hash := make([]byte, sha256.Size)
	times := work
	if s.faults.cpu.Load() {
		times *= 2
	}
	for range times {
		h := sha256.Sum256(hash)
		copy(hash, h[:])
	}
	if s.faults.leak.Load() {
		s.keep()
	}
	s.answer(w, http.StatusOK, map[string]any{"version": s.version, "items": sum, "etag": fmt.Sprintf("%x", hash[:4])})
}

// checkout takes an order. One that is refused is no error of the server's: it is not there in errors or
// latencies, only in what is sold.
func (s *shop) checkout(w http.ResponseWriter, r *http.Request) {
	if s.faults.checkout.Load() && rand.IntN(2) == 0 { //nolint:gosec // chance, no secret
		s.answer(w, http.StatusConflict, map[string]any{"version": s.version, "error": "sold out"})
		return
	}
	began := time.Now()
	_, err := s.db.ExecContext(r.Context(), `INSERT INTO orders (at, cents) VALUES (?, ?)`, began.Unix(), 4200)
	tell(w, time.Since(began))
	if err != nil {
		http.Error(w, "the order cannot be taken", http.StatusInternalServerError)
		return
	}
	if s.faults.mails.Load() {
		s.waiting.Add(1)
	}
	s.answer(w, http.StatusCreated, map[string]any{"version": s.version})
}

// receipt is what the acceptance test looks at.
func (s *shop) receipt(w http.ResponseWriter, _ *http.Request) {
	net := 10_000
	total := net + net*vat/100
	if s.faults.receipt.Load() {
		total = net
	}
	s.answer(w, http.StatusOK, map[string]any{"version": s.version, "net": net, "vat": vat, "total": total})
}

// change sets the faults of a running version: `curl -X PUT -d cpu,leak http://127.0.0.1:8083/faults`.
func (s *shop) change(w http.ResponseWriter, r *http.Request) {
	names, err := io.ReadAll(io.LimitReader(r.Body, 1<<10))
	if err == nil {
		err = s.faults.set(string(names))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *shop) keep() {
	b := make([]byte, leaked)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1 // a page that was never touched takes no memory
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, b)
}

// tell says how long the database took, as browsers understand it too.
func tell(w http.ResponseWriter, d time.Duration) {
	w.Header().Set("Server-Timing", fmt.Sprintf("db;dur=%.3f", float64(d)/float64(time.Millisecond)))
}

func (s *shop) answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that left is nobody's failure
}
