package main

import (
	"time"

	"github.com/switchback-proxy/switchback/control"
	"github.com/switchback-proxy/switchback/metrics"
)

// sampled shows control what the registry counted, and lets it count what it decides.
type sampled struct{ metrics *metrics.Registry }

// Cells implements control.Sampler.
func (s sampled) Cells(service, pool string) control.Cells { return s.metrics.Cells(service, pool) }

// Journeys implements control.Sampler.
func (s sampled) Journeys(service, check string) control.Journeys {
	return s.metrics.Journeys(service, check)
}

// Second implements control.Sampler.
func (s sampled) Second(t time.Time) int64 { return s.metrics.Second(t) }

// Judged implements control.Counter.
func (s sampled) Judged(service, pool string, n int) { s.metrics.Recorder(service, pool).Judged(n) }

// Verdict implements control.Counter.
func (s sampled) Verdict(service, check, outcome string) { s.metrics.Verdict(service, check, outcome) }

// Decision implements control.Counter.
func (s sampled) Decision(service, action string) { s.metrics.Decision(service, action) }

// rolloutSamples is how far a service's rollout is, and what its checks have proven.
func rolloutSamples(c control.Sample) (metrics.RolloutSample, []metrics.EvidenceSample) {
	var evidence []metrics.EvidenceSample
	for _, e := range c.Evidence {
		evidence = append(evidence,
			metrics.EvidenceSample{Service: c.Service, Check: e.Check, Direction: "for", Log10: e.For},
			metrics.EvidenceSample{Service: c.Service, Check: e.Check, Direction: "against", Log10: e.Against})
	}
	return metrics.RolloutSample{Service: c.Service, Phase: string(c.Phase), Step: c.Step}, evidence
}
