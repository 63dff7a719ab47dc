package judge

import (
	"math"
	"math/rand/v2"
)

// chance draws the counts of simulated windows.
type chance struct{ *rand.Rand }

func newChance(seed uint64) chance { return chance{rand.New(rand.NewPCG(seed, 0x5eed))} }

// poisson draws by inversion for small means and by transformed rejection (Hörmann 1993, PTRS) else.
func (c chance) poisson(mean float64) float64 {
	if mean <= 0 {
		return 0
	}
	if mean < 10 {
		n, left := 0.0, c.Float64()
		for p := math.Exp(-mean); left > p && n < 1000; n++ {
			left -= p
			p *= mean / (n + 1)
		}
		return n
	}
	root := math.Sqrt(mean)
	b := 0.931 + 2.53*root
	a := -0.059 + 0.02483*b
	inverse := 1.1239 + 1.1328/(b-3.4)
	for {
		u := c.Float64() - 0.5
		v := c.Float64()
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + mean + 0.43)
		if us >= 0.07 && v <= 0.9277-3.6224/(b-2) {
			return k
		}
		if k < 0 || us < 0.013 && v > us {
			continue
		}
		lg, _ := math.Lgamma(k + 1)
		if math.Log(v*inverse/(a/(us*us)+b)) <= k*math.Log(mean)-mean-lg {
			return k
		}
	}
}

// binomial draws by counting the gaps between events; the rarer outcome is counted.
func (c chance) binomial(n, p float64) float64 {
	if p > 0.5 {
		return n - c.binomial(n, 1-p)
	}
	if p <= 0 || n <= 0 {
		return 0
	}
	hits, scale := -1.0, 1/math.Log1p(-p)
	for at := 0.0; at <= n; hits++ {
		at += 1 + math.Floor(math.Log(1-c.Float64())*scale)
	}
	return hits
}

// geometric is a size of at least 1 with the given mean.
func (c chance) geometric(mean float64) float64 {
	if mean <= 1 {
		return 1
	}
	return 1 + math.Floor(math.Log(1-c.Float64())/math.Log1p(-1/mean))
}
