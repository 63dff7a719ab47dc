// Command upstream is the smallest server worth putting behind a proxy: it answers every path with its
// version, its address, the pool that the proxy says it belongs to and the flags that it says the user has,
// and /healthz with 200. On demand it is a bad version: --errors lets a share of the requests fail with 500,
// and --flag-errors a share of those by users who have the flag named by --flag.
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
	"strings"
	"syscall"
	"time"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8081", "address to listen on")
	version := flag.String("version", "2.4.0", "version to answer with")
	failing := flag.Float64("errors", 0, "percent of the requests that fail with 500")
	feature := flag.String("flag", "", "feature flag whose users --flag-errors is about")
	broken := flag.Float64("flag-errors", 0, "percent of the requests by users who have the flag that fail with 500")
	flag.Parse()
	fails := func(told string) bool { return chance(*failing) || has(told, *feature) && chance(*broken) }
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *addr, answer(*addr, *version, fails)); err != nil {
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

// chance is true in so many percent of the calls.
func chance(percent float64) bool {
	return 100*rand.Float64() < percent //nolint:gosec // chance, no secret
}

// has reports whether the proxy says that the user has a flag: "new-checkout=on, button=red".
func has(told, feature string) bool {
	for f := range strings.SplitSeq(told, ", ") {
		if name, variant, _ := strings.Cut(f, "="); name == feature && feature != "" {
			return variant == "on"
		}
	}
	return false
}

// answer draws for each request on its own whether it fails, with what its user has.
func answer(addr, version string, fails func(told string) bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		told := r.Header.Get("Switchback-Flags")
		said := map[string]string{"version": version, "target": addr, "pool": r.Header.Get("Switchback-Pool")}
		if told != "" {
			said["flags"] = told
		}
		w.Header().Set("Content-Type", "application/json")
		if fails(told) {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_ = json.NewEncoder(w).Encode(said) // a client that left is nobody's failure
	})
	return mux
}
