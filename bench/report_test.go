//go:build linux

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/bench/peer"
	"github.com/switchback-proxy/switchback/bench/proc"
)

func TestSeries(t *testing.T) {
	odd, even := series{3, 1, 2}, series{4, 1, 3, 2}
	if odd.median() != 2 || even.median() != 2.5 || (series{}).median() != 0 {
		t.Errorf("medians %v, %v, %v", odd.median(), even.median(), series{}.median())
	}
	// Round by round the ratio is 2 throughout; that of the medians would be too, that of sums of other rounds not.
	if got := (series{2, 20, 200}).over(series{1, 10, 100}).String(); got != "2.00 (2.00–2.00)" {
		t.Errorf("ratio %s", got)
	}
	for v, want := range map[float64]string{0: "0.00", 9.994: "9.99", 9.996: "10.0", 99.94: "99.9", 99.96: "100", 12345.6: "12346", -12.34: "-12.3"} {
		if got := short(v); got != want {
			t.Errorf("%v is %s, want %s", v, got, want)
		}
	}
}

func TestQuantile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for share, want := range map[float64]time.Duration{0: 1, 0.5: 50, 0.99: 99, 0.999: 100, 1: 100} {
		if got := quantile(hundred, share); got != want {
			t.Errorf("share %v is %d, want %d", share, got, want)
		}
	}
	if got := quantile([]time.Duration{7}, 0.5); got != 7 {
		t.Errorf("of one it is %d", got)
	}
	if got := quantile[time.Duration](nil, 0.5); got != 0 {
		t.Errorf("of none it is %d", got)
	}
}

// TestSection writes figures that are easy to follow: nginx takes half of switchback's time, HAProxy a quarter more.
func TestSection(t *testing.T) {
	cost := []time.Duration{10, 25, 20, 0} // ns of each way per request, in microseconds below
	f := &figures{
		options:  options{peers: []peer.Peer{peer.Nginx("nginx"), peer.HAProxy("haproxy"), peer.Switchback("switchback", ours, "")}, rounds: 2, each: time.Second},
		versions: []string{"n 1", "h 2", "s 3"}, loads: [2]string{"0.10", "0.20"},
	}
	row := func(ways int) [][]sample {
		all := make([][]sample, ways)
		for i := range all {
			for round := range time.Duration(2) {
				machine := 1 + round // the second round is twice as slow for all
				o := outcome{Answered: 100, P50: (100 + cost[i]) * machine * time.Microsecond, P99: time.Millisecond}
				all[i] = append(all[i], sample{outcome: o, CPU: 100 * cost[i] * machine * time.Microsecond})
			}
		}
		return all
	}
	for range workloads {
		f.cpu = append(f.cpu, row(3))
	}
	for range rates {
		f.latency = append(f.latency, row(4))
	}
	f.cpu[0][1][1].outcome = outcome{Answered: 98, Failed: 2, First: "status 502"}
	for _, kb := range []int64{1, 2, 4} {
		f.memory = append(f.memory, []memory{{
			before: proc.Usage{RSS: 10 << 20, PSS: 5 << 20}, after: proc.Usage{RSS: 10<<20 + 500*kb<<10, PSS: 5<<20 + 500*kb<<9}, connections: 500,
		}})
	}
	text := f.section()
	for _, want := range []string{
		"; 2 through HAProxy failed (status 502).",
		"| nginx | n 1 |\n| HAProxy | h 2 |\n| switchback | s 3 |\n",
		"| GET 100 B | 64 | 3000 | 15.0 (10.0–20.0) ×0.50 | 37.5 (25.0–50.0) ×1.25 | 30.0 (20.0–40.0) | 2.00 |\n",
		"| nginx | 500 | 165 (110–220) ×0.92 |", "| 15.0 ×0.50 | 0.00 | 15.0 (10.0–20.0) ×0.50 |\n",
		"| no proxy | 5000 | 150 (100–200) |",
		"while 500 clients connected", "| HAProxy | 10.0 | 2.00 (2.00–2.00) | 1.00 (1.00–1.00) | 0.50 |\n",
		"<code>GOMAXPROCS=1 switchback serve -c switchback.yaml</code>", "```yaml\nlisteners:",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the section lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}
