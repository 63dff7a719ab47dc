package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// phases are the labels of rollout_phase.
var phases = []string{"idle", "stepping", "baking", "promoted", "rolled_back", "superseded"}

// RolloutSample is where the rollout of a service stands. Phase is idle, stepping, baking, promoted,
// rolled_back or superseded; Step counts from 1, 0 when there is none.
type RolloutSample struct {
	Service, Phase string
	Step           int
}

// EvidenceSample is what a check of a rollout has proven so far. Direction is "for", that the candidate is
// acceptable, or "against". Log10 is the power of ten of the evidence.
type EvidenceSample struct {
	Service, Check, Direction string
	Log10                     float64
}

// rolloutDescs are the gauges of rollouts that are read at a scrape.
type rolloutDescs struct{ phase, step, evidence, leader *prometheus.Desc }

func newRolloutDescs() rolloutDescs {
	return rolloutDescs{
		phase: desc("rollout_phase", "1 for the phase of the service's rollout.", "service", "phase"),
		step:  desc("rollout_step", "Step of the service's rollout, from 1; 0: none.", "service"),
		evidence: desc("rollout_evidence_log10", "Power of ten of the evidence for or against the candidate.",
			"service", "check", "direction"),
		leader: desc("leader", "1 while this node decides about rollouts."),
	}
}

func (d *rolloutDescs) all() []*prometheus.Desc {
	return []*prometheus.Desc{d.phase, d.step, d.evidence, d.leader}
}

func (d *rolloutDescs) collect(s *Snapshot, ch chan<- prometheus.Metric) {
	ch <- gauge(d.leader, number(s.Leader))
	for _, r := range s.Rollouts {
		for _, phase := range phases {
			ch <- gauge(d.phase, number(phase == r.Phase), r.Service, phase)
		}
		ch <- gauge(d.step, float64(r.Step), r.Service)
	}
	for _, e := range s.Evidence {
		ch <- gauge(d.evidence, e.Log10, e.Service, e.Check, e.Direction)
	}
}

// decisions count what was found and done about services.
type decisions struct{ verdicts, decided *prometheus.CounterVec }

func newDecisions() decisions {
	return decisions{
		verdicts: counterVec("verdicts_total", "Verdicts of the judge.", "service", "check", "outcome"),
		decided:  counterVec("decisions_total", "Decisions about a service, by people, files and the judge.", "service", "action"),
	}
}

func (d *decisions) collectors() []prometheus.Collector {
	return []prometheus.Collector{d.verdicts, d.decided}
}

// Verdict counts a verdict about a check: pass, fail, undecided or missing. The names must come from the
// configuration and from fixed lists.
func (r *Registry) Verdict(service, check, outcome string) {
	r.decisions.verdicts.WithLabelValues(clean(service), clean(check), clean(outcome)).Inc()
}

// Decision counts a decision about a service. The action must come from a fixed list.
func (r *Registry) Decision(service, action string) {
	r.decisions.decided.WithLabelValues(clean(service), clean(action)).Inc()
}

// keep drops the series of a service that has no pool any more.
func (d *decisions) keep(service string, pools map[Key]bool) {
	for k := range pools {
		if k.Service == service {
			return
		}
	}
	labels := prometheus.Labels{"service": service}
	d.verdicts.DeletePartialMatch(labels)
	d.decided.DeletePartialMatch(labels)
}

// Cells returns what counts a pool's requests for a comparison: that of its Recorder, which is made when
// there is none.
func (r *Registry) Cells(service, pool string) *Cells { return r.Recorder(service, pool).cells }

// Second is the second since 1970 under which Cells count a request that begins at t. It is the wall's,
// but a clock that is set forth or back while the process runs does not disturb it.
func (r *Registry) Second(t time.Time) int64 { return r.clock.second(t) }
