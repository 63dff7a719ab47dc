// Command upstream is the smallest server worth putting behind a proxy: it answers every path with its
// version, its address and the pool that the proxy says it belongs to, and /healthz with 200. On demand it
// is a bad version: --errors lets a share of the requests fail with 500.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8081", "address to listen on")
	version := flag.String("version", "2.4.0", "version to answer with")
	failing := flag.Float64("errors", 0, "percent of the requests that fail with 500")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *addr, answer(*addr, *version, *failing/100)); err != nil {
		fmt.Fprintln(os.Stderr, "upstream:", err)
		os.Exit(1)
	}
}

// serve answers until ctx ends and then finishes the requests in flight.
func serve(ctx context.Context, addr string, h http.Handler) error {
	s := &http.Server{Addr: addr, Handler: h, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- s.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(end); err != nil {
		return err
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// answer fails a share of the requests, drawn for each on its own.
func answer(addr, version string, failing float64) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if rand.Float64() < failing { //nolint:gosec // chance, no secret
			w.WriteHeader(http.StatusInternalServerError)
		}
		_ = json.NewEncoder(w).Encode(map[string]string{ // a client that left is nobody's failure
			"version": version, "target": addr, "pool": r.Header.Get("Switchback-Pool"),
		})
	})
	return mux
}
