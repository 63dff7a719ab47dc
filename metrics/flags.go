package metrics

import "github.com/prometheus/client_golang/prometheus"

// FailedEvaluation is the reason under which evaluations without an answer are counted.
const FailedEvaluation = "error"

// reasons are the labels of flag_evaluations_total.
var reasons = []string{"static", "targeting_match", "split", "default", FailedEvaluation}

// Evaluations counts how often a flag was evaluated. The zero value counts where nobody looks.
type Evaluations struct{ byReason map[string]prometheus.Counter } // never changed

// Evaluation counts evaluations of one flag that ended for one reason. Its method allocates nothing and is
// safe for concurrent use.
type Evaluation struct{ counter prometheus.Counter }

// Count counts an evaluation; that of a nil Evaluation counts nowhere.
func (e *Evaluation) Count() {
	if e != nil {
		e.counter.Inc()
	}
}

// Reason returns the count of a reason: static, targeting_match, split, default or error; nil for another word.
func (f *Evaluations) Reason(reason string) *Evaluation {
	if c := f.byReason[reason]; c != nil {
		return &Evaluation{c}
	}
	return nil
}

// Flag returns the counts of a flag and makes them when there are none: from then on all its series show, at
// zero. The empty name is for flags that nobody defined.
func (r *Registry) Flag(name string) *Evaluations {
	name = clean(name)
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.flags[name]
	if f == nil {
		f = &Evaluations{byReason: make(map[string]prometheus.Counter, len(reasons))}
		for _, reason := range reasons {
			if name != "" || reason == FailedEvaluation {
				f.byReason[reason] = r.evaluations.WithLabelValues(name, reason)
			}
		}
		r.flags[name] = f
	}
	return f
}

// KeepFlags drops the series of every flag that is not named; that of the empty name stays. Dropped counts may
// be used on, by a request that is still under way.
func (r *Registry) KeepFlags(names []string) {
	keep := map[string]bool{"": true}
	for _, name := range names {
		keep[clean(name)] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.flags {
		if !keep[name] {
			delete(r.flags, name)
			r.evaluations.DeletePartialMatch(prometheus.Labels{"flag": name})
		}
	}
}
