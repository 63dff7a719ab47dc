package metrics

import (
	"slices"
	"testing"
)

func TestFlagsThatLeftAreDropped(t *testing.T) {
	r := newRegistry("1")
	kept, gone := r.Flag("kept"), r.Flag("gone")
	kept.Reason("split").Count()
	gone.Reason("static").Count()
	r.Flag("").Reason(FailedEvaluation).Count()
	r.KeepFlags([]string{"kept"})
	gone.Reason("static").Count() // by a request that is still under way
	want := []string{
		`switchback_flag_evaluations_total{flag="",reason="error"} 1`,
		`switchback_flag_evaluations_total{flag="kept",reason="default"} 0`,
		`switchback_flag_evaluations_total{flag="kept",reason="error"} 0`,
		`switchback_flag_evaluations_total{flag="kept",reason="split"} 1`,
		`switchback_flag_evaluations_total{flag="kept",reason="static"} 0`,
		`switchback_flag_evaluations_total{flag="kept",reason="targeting_match"} 0`,
	}
	if got := series(t, r, "flag_evaluations_total"); !slices.Equal(got, want) {
		t.Errorf("series:\n%q\nwant\n%q", got, want)
	}
	if r.Flag("kept") != kept || r.Flag("gone") == gone {
		t.Error("a kept flag should keep its counts, one that is back should start anew")
	}
	count := kept.Reason("split")
	if n := testing.AllocsPerRun(100, count.Count); n != 0 {
		t.Errorf("Count allocates %v times", n)
	}
}
