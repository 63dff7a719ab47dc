package scrape

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// startTime is the metric by which a process that was restarted is told from one that went on, although its
// counters are larger already.
const startTime = "process_start_time_seconds"

// text is what was found of some metrics in one answer of a target.
type text struct {
	families map[string]*dto.MetricFamily
}

// parse reads the lines about the named metrics with the official parser. It gets no others: a page may have
// tens of thousands of them, and what is wrong with those is not for this check to say.
func parse(page []byte, names []string) (text, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(about(page, names)))
	if err != nil {
		return text{}, errors.New("not the Prometheus text format: " + printable(err.Error()))
	}
	return text{families: families}, nil
}

// about is the lines that tell of one of the metrics.
func about(page []byte, names []string) []byte {
	var kept []byte
	for line := range bytes.Lines(page) {
		rest := bytes.TrimLeft(line, " \t")
		if typed, ok := bytes.CutPrefix(rest, []byte("# TYPE ")); ok {
			rest = typed
		}
		for _, name := range names {
			after, ok := bytes.CutPrefix(rest, []byte(name))
			if ok && len(after) > 0 && bytes.IndexByte([]byte("{ \t"), after[0]) >= 0 {
				kept = append(append(kept, bytes.TrimRight(line, "\r\n")...), '\n')
				break
			}
		}
	}
	return kept
}

// value is the sum over the series of a metric. counter says what the file takes it for.
func (t text) value(name string, counter bool) (float64, error) {
	f := t.families[name]
	if f == nil || len(f.GetMetric()) == 0 {
		return nan, fmt.Errorf("there is no metric %s", name)
	}
	sum := 0.0
	for _, m := range f.GetMetric() {
		x, err := of(f, m, counter)
		if err != nil {
			return nan, err
		}
		sum += x
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return nan, fmt.Errorf("%s is %v", name, sum)
	}
	return sum, nil
}

func of(f *dto.MetricFamily, m *dto.Metric, counter bool) (float64, error) {
	switch f.GetType() {
	case dto.MetricType_COUNTER:
		if !counter {
			return 0, fmt.Errorf("%s is a counter, which only grows; write per: request or per: second", f.GetName())
		}
		return m.GetCounter().GetValue(), nil
	case dto.MetricType_GAUGE:
		if counter {
			return 0, fmt.Errorf("%s is a gauge, which is taken as it is; remove per", f.GetName())
		}
		return m.GetGauge().GetValue(), nil
	case dto.MetricType_UNTYPED:
		return m.GetUntyped().GetValue(), nil
	case dto.MetricType_SUMMARY, dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM:
	}
	return 0, fmt.Errorf("%s has more than one value; name its _sum or _count", f.GetName())
}

// started is when the process began, by its own word; 0 when it does not say.
func (t text) started() float64 {
	if x, err := t.value(startTime, false); err == nil {
		return x
	}
	return 0
}
