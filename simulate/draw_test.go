package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// drawn is the number of draws of a test; its bounds are five standard errors.
const drawn = 200_000

func TestPoisson(t *testing.T) {
	for _, mean := range []float64{0.02, 0.7, 4, 9.99, 10, 25, 475, 9500} {
		t.Run(fmt.Sprint(mean), func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			checkLaw(t, func() float64 { return poisson(r, mean) }, mean, mean, mean*(1+3*mean), func(k float64) float64 {
				return math.Exp(k*math.Log(mean) - mean - logFactorial(k))
			})
		})
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, mean := range []float64{0, -1, math.NaN()} {
		if got := poisson(r, mean); got != 0 {
			t.Errorf("mean %v: got %v", mean, got)
		}
	}
}

func TestBinomial(t *testing.T) {
	for _, c := range [][2]float64{{1, 0.3}, {7, 0.5}, {30, 0.9}, {400, 0.001}, {400, 0.05}, {400, 0.5}, {9500, 0.02}, {9500, 0.97}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			n, p := c[0], c[1]
			r := rand.New(rand.NewPCG(3, 4))
			v := n * p * (1 - p)
			checkLaw(t, func() float64 { return binomial(r, n, p) }, n*p, v, v*(1+(3*n-6)*p*(1-p)), func(k float64) float64 {
				return math.Exp(logFactorial(n) - logFactorial(k) - logFactorial(n-k) + k*math.Log(p) + (n-k)*math.Log1p(-p))
			})
		})
	}
	r := rand.New(rand.NewPCG(3, 4))
	for _, c := range [][3]float64{{0, 0.5, 0}, {5, 0, 0}, {5, 1, 5}, {5, math.NaN(), 0}} {
		if got := binomial(r, c[0], c[1]); got != c[2] {
			t.Errorf("%v of %v: got %v, want %v", c[1], c[0], got, c[2])
		}
	}
}

func TestGeometric(t *testing.T) {
	for _, mean := range []float64{1, 3, 10} {
		r := rand.New(rand.NewPCG(5, 6))
		p := 1 / mean
		v := (1 - p) / (p * p)
		fourth := v * v * (9 + p*p/max(1-p, 1e-9))
		checkLaw(t, func() float64 { return geometric(r, mean) }, mean, v, fourth, func(k float64) float64 {
			if k < 1 {
				return 0
			}
			return p * math.Pow(1-p, k-1)
		})
	}
}

// checkLaw compares draws with the exact mean, the exact variance (fourth is the fourth central moment,
// which says how far a variance may be off) and the probability of each number around the mean.
func checkLaw(t *testing.T, draw func() float64, mean, variance, fourth float64, mass func(float64) float64) {
	t.Helper()
	var sum, squares float64
	seen := map[float64]float64{}
	for range drawn {
		k := draw()
		if k < 0 || k != math.Floor(k) {
			t.Fatalf("drew %v", k)
		}
		sum += k - mean
		squares += (k - mean) * (k - mean)
		seen[k]++
	}
	if off, bound := sum/drawn, 5*math.Sqrt(variance/drawn); math.Abs(off) > bound+1e-12 {
		t.Errorf("mean %v is off by %v, more than %v", mean, off, bound)
	}
	if off, bound := squares/drawn-variance, 5*math.Sqrt((fourth-variance*variance)/drawn); math.Abs(off) > bound+1e-9 {
		t.Errorf("variance %v is off by %v, more than %v", variance, off, bound)
	}
	middle, reach := math.Round(mean), math.Ceil(4*math.Sqrt(variance))+1
	for k := max(0, middle-reach); k <= middle+reach; k++ {
		want := drawn * mass(k)
		if off, bound := seen[k]-want, 5*math.Sqrt(want)+5; math.Abs(off) > bound {
			t.Errorf("%v was drawn %v times, want %.0f ± %.0f", k, seen[k], want, bound)
		}
	}
}

func BenchmarkPoisson(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, mean := range []float64{1, 9500} {
		b.Run(fmt.Sprint(mean), func(b *testing.B) {
			for b.Loop() {
				poisson(r, mean)
			}
		})
	}
}
