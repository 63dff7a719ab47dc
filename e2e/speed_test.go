//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/open-feature/flagd/core/pkg/evaluator"
	"github.com/open-feature/flagd/core/pkg/model"
	flagdofrep "github.com/open-feature/flagd/core/pkg/service/ofrep"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
	"github.com/switchback-proxy/switchback/flags/ofrep"
	"github.com/switchback-proxy/switchback/internal/page"
	"github.com/switchback-proxy/switchback/metrics"
	"go.uber.org/zap"
)

var speedReport = flag.String("speed-report", "", "measure for long and write the figures to their section of this `file`")

const (
	speedCommand = "make speed"
	flagdModule  = "github.com/open-feature/flagd/core"
	// flagsOfBulk is how many flags a bulk answer has.
	flagsOfBulk = 100
	clients     = 16
)

// race is one thing that both can do.
type race struct {
	name         string
	ours, theirs start
	workers      int
}

// start makes the operation of one worker: over HTTP, with a connection of its own.
type start func(*testing.T) func() error

// TestSpeed measures evaluations beside flagd's, one after the other in one process, so that both meet the
// same machine in the same mood. Without -speed-report it only sees to it that everything can be measured.
func TestSpeed(t *testing.T) {
	rounds, each := 1, 5*time.Millisecond
	if *speedReport != "" {
		rounds, each = 9, 500*time.Millisecond
	}
	var lines []string
	for _, r := range races(t) {
		var us, them []float64
		for range rounds {
			us = append(us, perSecond(t, r.ours, r.workers, each))
			them = append(them, perSecond(t, r.theirs, r.workers, each))
		}
		lines = append(lines, line(t, r, median(us), median(them)))
		t.Log(lines[len(lines)-1])
	}
	if *speedReport == "" {
		return
	}
	if err := page.Write(*speedReport, "flags", section(t, lines, rounds, each)); err != nil {
		t.Fatal(err)
	}
}

// perSecond is how often workers together do what they do, in about the given time.
func perSecond(t *testing.T, start start, workers int, d time.Duration) float64 {
	t.Helper()
	ops := make([]func() error, workers)
	for i := range ops {
		ops[i] = start(t)
		if err := ops[i](); err != nil {
			t.Fatal(err)
		}
	}
	var n atomic.Int64
	var failed atomic.Pointer[error]
	var running sync.WaitGroup
	began := time.Now()
	for _, op := range ops {
		running.Go(func() {
			for failed.Load() == nil && time.Since(began) < d {
				for range 10 {
					if err := op(); err != nil {
						failed.Store(&err)
						return
					}
				}
				n.Add(10)
			}
		})
	}
	running.Wait()
	if err := failed.Load(); err != nil {
		t.Fatal(*err)
	}
	return float64(n.Load()) / time.Since(began).Seconds()
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// races are in process first, then over HTTP.
func races(t *testing.T) []race {
	t.Helper()
	mine, theirs := map[string]string{}, map[string]any{}
	for i := range flagsOfBulk {
		name := fmt.Sprintf("flag-%d", i)
		mine[name] = `{"strategy":"percentage","value":25}`
		theirs[name] = fractional(map[string]any{"on": true, "off": false}, nil, []any{"on", 2500}, []any{"off", 7500})
	}
	mine["pro"] = `{"strategy":"users","targeting":[{"when":{"attribute":"plan","equals":"pro"}}]}`
	theirs["pro"] = map[string]any{"state": "ENABLED", "variants": map[string]any{"on": true, "off": false}, "defaultVariant": "off", "targeting": map[string]any{
		"if": []any{map[string]any{"==": []any{map[string]any{"var": "plan"}, "pro"}}, "on", "off"},
	}}
	var all []flags.Definition
	for name, text := range mine {
		f, err := config.ParseFlag(name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, flags.Definition{Flag: f})
	}
	set, e := flags.Compile(all, nil), flagd(t, theirs)
	return append(inProcess(set, e), overHTTP(t, set, e)...)
}

func inProcess(set *flags.Set, e *evaluator.JSON) []race {
	attributes := map[string]any{"plan": "pro", "country": "CH", "version": "2.1.0"}
	context := &flags.Context{Key: "user-1", Attributes: attributes}
	whole := map[string]any{"targetingKey": "user-1", "plan": "pro", "country": "CH", "version": "2.1.0"}
	var races []race
	for _, r := range []struct{ name, flag string }{{"a percentage, in process", "flag-7"}, {"an attribute, in process", "pro"}} {
		f := set.Flag(r.flag)
		silent := errors.New(r.flag + " says nothing")
		races = append(races, race{r.name, func(*testing.T) func() error {
			return func() error {
				if f.Evaluate(context).Missing() {
					return silent
				}
				return nil
			}
		}, func(t *testing.T) func() error {
			return func() error { return e.ResolveAsAnyValue(t.Context(), "", r.flag, whole).Error }
		}, 1})
	}
	return races
}

func overHTTP(t *testing.T, set *flags.Set, e *evaluator.JSON) []race {
	t.Helper()
	s := ofrep.New(ofrep.Options{Log: zap.NewNop(), Metrics: metrics.New("test")})
	s.Swap(set)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ofrep.Listener{Listener: ln, Config: config.Listener{Name: "flags"}}) }()
	them := httptest.NewServer(flagdHandler(e))
	t.Cleanup(func() {
		them.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	over := func(name, path string) race {
		return race{name, post(ln.Addr().String(), path), post(them.Listener.Addr().String(), path), clients}
	}
	return []race{
		over("a percentage, over OFREP", "/ofrep/v1/evaluate/flags/flag-7"),
		over(fmt.Sprintf("%d flags in one answer, over OFREP", len(set.Flags)), "/ofrep/v1/evaluate/flags"),
	}
}

// post asks on one connection, with as little work as a client can have.
func post(addr, path string) start {
	const body = `{"context":{"targetingKey":"user-1","plan":"pro","country":"CH","version":"2.1.0"}}`
	question := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: flags\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
	return func(t *testing.T) func() error {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		answers := bufio.NewReader(conn)
		return func() error {
			if _, err := conn.Write(question); err != nil {
				return err
			}
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %s, %w", path, resp.Status, err)
			}
			return nil
		}
	}
}

// flagdHandler answers with flagd's evaluator and its shapes for OFREP. Both are in its core module; the server
// around them is net/http here as there.
func flagdHandler(e *evaluator.JSON) http.Handler {
	context := func(r *http.Request) (map[string]any, error) {
		var q flagdofrep.Request
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			return nil, err
		}
		m, _ := q.Context.(map[string]any)
		return m, nil
	}
	answer := func(w http.ResponseWriter, v any, err error) {
		var b bytes.Buffer
		if err == nil {
			err = json.NewEncoder(&b).Encode(v)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(b.Bytes())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /ofrep/v1/evaluate/flags/{key}", func(w http.ResponseWriter, r *http.Request) {
		c, err := context(r)
		if err != nil {
			answer(w, nil, err)
			return
		}
		v := e.ResolveAsAnyValue(r.Context(), "", r.PathValue("key"), c)
		answer(w, flagdofrep.SuccessResponseFrom(v), v.Error)
	})
	mux.HandleFunc("POST /ofrep/v1/evaluate/flags", func(w http.ResponseWriter, r *http.Request) {
		c, err := context(r)
		if err != nil {
			answer(w, nil, err)
			return
		}
		all, _, err := e.ResolveAllValues(r.Context(), "", c)
		answer(w, flagdofrep.BulkEvaluationResponseFrom(all, model.Metadata{}), err)
	})
	return mux
}

func line(t *testing.T, r race, us, them float64) string {
	t.Helper()
	allocs := "| | |"
	if r.workers == 1 {
		count := func(start start) float64 {
			op := start(t)
			return testing.AllocsPerRun(100, func() { _ = op() })
		}
		allocs = fmt.Sprintf("| %.0f | %.0f |", count(r.ours), count(r.theirs))
	}
	return fmt.Sprintf("| %s | %s | %s | %.1f %s", r.name, thousands(us), thousands(them), us/them, allocs)
}

// thousands writes a rate to three digits, which is more than it is worth.
func thousands(v float64) string {
	unit := 1.0
	for v/unit >= 1000 {
		unit *= 10
	}
	s := fmt.Sprintf("%.0f", float64(int(v/unit+0.5))*unit)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func section(t *testing.T, lines []string, rounds int, each time.Duration) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `## How fast flags are answered

Written by `+"`%s`"+`; no figure here is typed by hand. Evaluations a second, and allocations of each, of this code and of flagd's
evaluator (%s, %s) in the same process: %d rounds of %v for each, turn by turn, medians. %s, %s/%s, %d processors, shared with
whatever else ran. Over OFREP, %d connections from the same process ask through loopback, so clients and the network are part of each
figure; flagd's answers are made by its evaluator and its own shapes for OFREP, behind net/http.

| evaluation | switchback | flagd | times | allocations | flagd's |
|---|--:|--:|--:|--:|--:|
%s

What each is: a percentage, one of 25 %% for a user with three attributes; an attribute, one condition on the user's plan. A rate of answers
counts an answer with many flags once.
`, speedCommand, flagdModule, versionOf(t, flagdModule), rounds, each, runtime.Version(), runtime.GOOS, runtime.GOARCH,
		runtime.GOMAXPROCS(0), clients, strings.Join(lines, "\n"))
	return b.String()
}

// versionOf is that of a module in this program.
func versionOf(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}}", module).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
