package metrics

import (
	"slices"
	"testing"
)

func TestRetriesByCause(t *testing.T) {
	r := newRegistry("1.2.3")
	rec := r.Recorder("shop", "blue")
	for o := range outcomes {
		rec.Retry(o)
	}
	want := []string{
		`switchback_retries_total{cause="refused",pool="blue",service="shop"} 1`,
		`switchback_retries_total{cause="reset",pool="blue",service="shop"} 1`,
		`switchback_retries_total{cause="timeout",pool="blue",service="shop"} 1`,
		`switchback_retries_total{cause="unexpected",pool="blue",service="shop"} 8`,
	}
	if got := series(t, r, "retries_total", `pool="blue"`); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestUpstreamConnections(t *testing.T) {
	r := newRegistry("1.2.3")
	rec := r.Recorder("shop", "blue")
	for i, event := range []func(){rec.ConnectionOpened, rec.ConnectionReused, rec.ConnectionStale, rec.ConnectionPoisoned} {
		for range i + 1 {
			event()
		}
	}
	want := []string{
		`switchback_upstream_connections_total{event="opened",pool="blue",service="shop"} 1`,
		`switchback_upstream_connections_total{event="poisoned",pool="blue",service="shop"} 4`,
		`switchback_upstream_connections_total{event="reused",pool="blue",service="shop"} 2`,
		`switchback_upstream_connections_total{event="stale",pool="blue",service="shop"} 3`,
	}
	if got := series(t, r, "upstream_connections_total", `pool="blue"`); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
