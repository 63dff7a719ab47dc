package metrics

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// fixed are the values of labels that come from a list.
var fixed = map[string][]string{
	"requests_total.code_class":           classes[:],
	"attempts_total.outcome":              outcomeNames[:],
	"retries_total.cause":                 causes[:],
	"upstream_connections_total.event":    connectionEvents[:],
	"path_connections.path":               paths[:],
	"handovers_total.reason":              handoverNames[:],
	"flag_evaluations_total.reason":       reasons,
	"rollout_phase.phase":                 phases,
	"rollout_evidence_log10.direction":    {"for", "against"},
	"verdicts_total.outcome":              {"pass", "fail", "undecided", "missing"},
	"weight_ratio.layer":                  {"file", "intent", "in_force"},
	"inflight_requests.kind":              {"request", "long_lived"},
	"state_origin.origin":                 origins,
	"store_errors_total.op":               storeOps,
	"store_operation_duration_seconds.op": storeOps,
}

// TestMetricsDocument keeps the table of docs/metrics.md.
func TestMetricsDocument(t *testing.T) {
	const file, begin, end = "../docs/metrics.md", "<!-- metrics: written by go test ./metrics -update -->\n", "<!-- end of metrics -->"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no %s … %s", file, begin, end)
	}
	want := before + begin + "\n" + table(t, small()) + "\n" + end + after
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(raw) != want {
		t.Errorf("the table of %s is not true any more (-update rewrites it); it would be:\n%s", file, table(t, small()))
	}
}

// table has a row for each metric. Every one that is described is in it.
func table(t *testing.T, r *Registry) string {
	t.Helper()
	families, err := r.prom.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	var shown []string
	b.WriteString("| metric | type | labels | |\n|---|---|---|---|\n")
	for _, f := range families {
		name, ours := strings.CutPrefix(f.GetName(), namespace+"_")
		if !ours {
			continue
		}
		shown = append(shown, f.GetName())
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), labels(name, f.GetMetric()[0]), f.GetHelp())
	}
	slices.Sort(shown)
	if want := described(r); !slices.Equal(shown, want) {
		t.Errorf("shown are %q, described %q", shown, want)
	}
	return b.String()
}

func labels(name string, m *dto.Metric) string {
	var all []string
	for _, l := range m.GetLabel() {
		label := "`" + l.GetName() + "`"
		if values := fixed[name+"."+l.GetName()]; values != nil {
			label += ": " + strings.Join(values, ", ")
		}
		all = append(all, label)
	}
	return strings.Join(all, "; ")
}

var descName = regexp.MustCompile(`fqName: "(` + namespace + `_[a-z0-9_]+)"`)

// described are the names of all metrics of the registry, those without a sample too.
func described(r *Registry) []string {
	ch := make(chan *prometheus.Desc)
	go func() {
		defer close(ch)
		r.prom.Describe(ch)
	}()
	var all []string
	for d := range ch {
		if m := descName.FindStringSubmatch(d.String()); m != nil {
			all = append(all, m[1])
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
