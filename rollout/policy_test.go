package rollout

import (
	"reflect"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/judge"
)

func TestPolicy(t *testing.T) {
	r := &config.Rollout{Alpha: 0.02, Beta: 0.1, Checks: []config.Check{
		{Name: config.CheckErrors, MaxRatio: 1.5, MaxIncrease: 0.002, Max: 0.05, Also: []int{429}},
		{Name: config.CheckP50, Quantile: 0.5, MaxRatio: 1.2},
		{Name: config.CheckP95, Quantile: 0.95, MaxRatio: 1.3},
		{Name: config.CheckP99, Quantile: 0.99, MaxRatio: 1.4},
		{Name: config.CheckSlow, MaxRatio: 1, MaxIncrease: 0.005, Over: 250 * time.Millisecond},
		{Name: "cpu", Kind: config.KindScrape, MaxRatio: 1.25, MaxIncrease: 3, ObserveOnly: true},
		{Name: "db", Kind: config.KindServerTiming, ServerTiming: "sql", Quantile: 0.95, MaxRatio: 1.3},
		{Name: "conversion", Kind: config.KindRatio, MaxDecrease: 0.05},
		{Name: "queue", Kind: config.KindPrometheus, Max: 500},
		{Name: "smoke", Kind: config.KindWebhook},
		{Name: "score", Kind: config.KindWebhook, MaxRatio: 1.1},
	}}
	want := judge.Policy{Alpha: 0.02, Beta: 0.1, Checks: []judge.Check{
		{Name: "errors", Kind: judge.Errors, MaxRatio: 1.5, MaxIncrease: 0.002, Max: 0.05},
		{Name: "p50", Kind: judge.Latency, Quantile: 0.5, MaxRatio: 1.2},
		{Name: "p95", Kind: judge.Latency, Quantile: 0.95, MaxRatio: 1.3},
		{Name: "p99", Kind: judge.Latency, Quantile: 0.99, MaxRatio: 1.4},
		{Name: "slow", Kind: judge.Slow, MaxRatio: 1, MaxIncrease: 0.005, Over: 250 * time.Millisecond},
		{Name: "cpu", Kind: judge.Value, MaxRatio: 1.25, MaxIncrease: 3, ObserveOnly: true},
		{Name: "db", Kind: judge.Latency, Quantile: 0.95, MaxRatio: 1.3, Measured: true, Unit: "sql"},
		{Name: "conversion", Kind: judge.Ratio, MaxDecrease: 0.05},
		{Name: "queue", Kind: judge.Value, Max: 500},
		{Name: "smoke", Kind: judge.Value, Max: 0.5, Verdicts: true},
		{Name: "score", Kind: judge.Value, MaxRatio: 1.1},
	}}
	got := Policy(r)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
	if got := Policy(nil); len(got.Checks) != 0 {
		t.Errorf("no rollout has %+v", got)
	}
}
