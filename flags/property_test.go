package flags

import (
	"fmt"
	"math"
	"testing"

	"github.com/switchback-proxy/switchback/config"
)

// population is how many users the properties look at.
const population = 100_000

// has counts users who have something, the same ones each time.
func has(seed int, what func(c *Context) bool) int {
	n := 0
	for i := range population {
		if what(&Context{Key: fmt.Sprintf("user-%d-%d", seed, i)}) {
			n++
		}
	}
	return n
}

// near fails when a count is further than four standard deviations from what chance expects.
func near(t *testing.T, what string, got int, of, share float64) {
	t.Helper()
	want, sigma := of*share, math.Sqrt(of*share*(1-share))
	if d := math.Abs(float64(got) - want); d > 4*sigma {
		t.Errorf("%s: got %d, want %.0f ± %.0f", what, got, want, sigma)
	}
}

func percentage(t *testing.T, name string, percent float64, more string) *Flag {
	t.Helper()
	return one(t, name, fmt.Sprintf(`{"strategy":"percentage","value":%v%s}`, percent, more))
}

func TestSharesAreKept(t *testing.T) {
	for _, percent := range []float64{0.01, 1, 5, 12.5, 50, 95, 99.99} {
		for seed := range 3 {
			name := fmt.Sprint("flag-", seed)
			f := percentage(t, name, percent, "")
			near(t, fmt.Sprintf("%s at %v %%", name, percent), has(seed, func(c *Context) bool { return f.Evaluate(c).Has }), population, percent/100)
		}
	}
}

func TestWeightsAreKept(t *testing.T) {
	f := percentage(t, "x", 40, ","+colours)
	for name, share := range map[string]float64{"red": 0.3, "blue": 0.1, "grey": 0.6, "rare": 0} {
		near(t, name, has(1, func(c *Context) bool { return f.Evaluate(c).Variant.Name == name }), population, share)
	}
}

// Raising the value takes the flag from nobody, and nobody who had it gets another variant.
func TestGrowthIsMonotone(t *testing.T) {
	for _, more := range []string{"", "," + colours, `,"salt":"s"`, `,"users":["user-0-7"],"targeting":[{"when":{"attribute":"targetingKey","suffix":"9"},"value":30}]`} {
		f := parsed(t, "x", `{"strategy":"percentage","value":0`+more+`}`)
		var steps []*Flag
		for value := config.Weight(0); value <= config.Full; value += 125 {
			steps = append(steps, Compile([]Definition{{Flag: f, Share: &value}}, nil).Flag("x"))
		}
		for i := range 2000 {
			c := &Context{Key: fmt.Sprint("user-0-", i)}
			var was Result
			for _, step := range steps {
				now := step.Evaluate(c)
				if was.Has && (!now.Has || now.Variant.Name != was.Variant.Name) {
					t.Fatalf("flag %s: at %v %s has %s, before %s", more, step.Value, c.Key, now.Variant.Name, was.Variant.Name)
				}
				was = now
			}
		}
	}
}

// chiSquare is that of two events that each of the population meets or not. With independent events and one degree
// of freedom it is above 15.1 once in ten thousand times.
func chiSquare(seed int, a, b func(c *Context) bool) float64 {
	var n [2][2]float64
	has(seed, func(c *Context) bool {
		n[index(a(c))][index(b(c))]++
		return false
	})
	var sum float64
	for i := range 2 {
		for j := range 2 {
			want := (n[i][0] + n[i][1]) * (n[0][j] + n[1][j]) / population
			sum += (n[i][j] - want) * (n[i][j] - want) / want
		}
	}
	return sum
}

func index(is bool) int {
	if is {
		return 1
	}
	return 0
}

const most = 15.1

// The same users must not always be first.
func TestFlagsAreIndependent(t *testing.T) {
	for _, pair := range [][2]string{{"new-checkout", "new-search"}, {"a", "b"}, {"flag-1", "flag-2"}, {"x", "xx"}, {"checkout", "checkout2"}} {
		f, g := percentage(t, pair[0], 10, ""), percentage(t, pair[1], 10, "")
		hasF, hasG := func(c *Context) bool { return f.Evaluate(c).Has }, func(c *Context) bool { return g.Evaluate(c).Has }
		near(t, fmt.Sprint(pair, " overlap"), has(2, func(c *Context) bool { return hasF(c) && hasG(c) }), population, 0.01)
		if got := chiSquare(2, hasF, hasG); got > most {
			t.Errorf("%s and %s: chi-square %.1f, want at most %v", pair[0], pair[1], got, most)
		}
	}
	f, salted := percentage(t, "x", 10, ""), percentage(t, "x", 10, `,"salt":"other"`)
	if got := chiSquare(2, func(c *Context) bool { return f.Evaluate(c).Has }, func(c *Context) bool { return salted.Evaluate(c).Has }); got > most {
		t.Errorf("a flag and itself with a salt: chi-square %.1f, want at most %v", got, most)
	}
}

// Who gets the flag first says nothing about the variant they get: else the variants of a small share
// could not be compared.
func TestVariantsAreIndependentOfMembership(t *testing.T) {
	for seed, name := range []string{"banner", "a", "new-checkout"} {
		few, whole := percentage(t, name, 10, ","+colours), percentage(t, name, 100, ","+colours)
		first := func(c *Context) bool { return few.Evaluate(c).Has }
		red := func(c *Context) bool { return whole.Evaluate(c).Variant.Name == "red" }
		if got := chiSquare(seed, first, red); got > most {
			t.Errorf("%s: chi-square %.1f, want at most %v", name, got, most)
		}
	}
}

// TestChiSquareSees shows that the test above would notice what it looks for.
func TestChiSquareSees(t *testing.T) {
	f, g := percentage(t, "x", 10, ""), percentage(t, "y", 12, `,"salt":"x"`)
	if got := chiSquare(2, func(c *Context) bool { return f.Evaluate(c).Has }, func(c *Context) bool { return g.Evaluate(c).Has }); got < 1000*most {
		t.Errorf("two flags with one salt: chi-square %.1f", got)
	}
}
