package simulate

import (
	"cmp"
	"slices"
	"time"
)

// Row sums up the runs with one outcome. The medians and the 95th percentile are of these runs alone.
type Row struct {
	Outcome  Outcome
	Runs     int
	Share    float64 // of all runs that were played
	Median   time.Duration
	P95      time.Duration
	Requests int64          // median that the candidate was sent
	Bad      int64          // median of those that failed
	Checks   map[string]int // runs by the check that failed; those without one are not in it
	Sentence string         // of the run in the middle
}

// Rows has a row for each of Outcomes, also for one that never happened.
func (r Result) Rows() []Row {
	rows := make([]Row, len(Outcomes))
	for i, outcome := range Outcomes {
		var runs []Run
		for _, run := range r.Runs {
			if run.Outcome == outcome {
				runs = append(runs, run)
			}
		}
		rows[i] = sum(runs, len(r.Runs))
		rows[i].Outcome = outcome
	}
	return rows
}

func sum(runs []Run, all int) Row {
	row := Row{Runs: len(runs), Checks: map[string]int{}}
	if len(runs) == 0 {
		return row
	}
	slices.SortStableFunc(runs, func(a, b Run) int { return cmp.Compare(a.Time, b.Time) })
	row.Share = float64(len(runs)) / float64(all)
	row.Median, row.P95 = rank(runs, 0.5).Time, rank(runs, 0.95).Time
	row.Sentence = rank(runs, 0.5).Sentence
	for _, run := range runs {
		if run.Check != "" {
			row.Checks[run.Check]++
		}
	}
	slices.SortStableFunc(runs, func(a, b Run) int { return cmp.Compare(a.Requests, b.Requests) })
	row.Requests = rank(runs, 0.5).Requests
	slices.SortStableFunc(runs, func(a, b Run) int { return cmp.Compare(a.Bad, b.Bad) })
	row.Bad = rank(runs, 0.5).Bad
	return row
}

// rank is the run that a share q of sorted runs does not exceed.
func rank(runs []Run, q float64) Run {
	n := int(q*float64(len(runs))+0.999999) - 1
	return runs[max(0, min(n, len(runs)-1))]
}
