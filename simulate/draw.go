package simulate

import (
	"math"
	"math/rand/v2"
)

// poisson draws a Poisson number, exactly: by multiplying uniforms while the mean is small, else by
// transformed rejection (Hörmann, "The transformed rejection method for generating Poisson random
// variables", 1993), whose cost does not grow with the mean.
func poisson(r *rand.Rand, mean float64) float64 {
	switch {
	case !(mean > 0):
		return 0
	case mean < 10:
		return poissonSmall(r, mean)
	}
	b := 0.931 + 2.53*math.Sqrt(mean)
	a := -0.059 + 0.02483*b
	inverse := 1.1239 + 1.1328/(b-3.4)
	squeeze := 0.9277 - 3.6224/(b-2)
	logMean := math.Log(mean)
	for {
		u, v := r.Float64()-0.5, 1-r.Float64()
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + mean + 0.43)
		if us >= 0.07 && v <= squeeze {
			return k
		}
		if k < 0 || us < 0.013 && v > us {
			continue
		}
		if math.Log(v*inverse/(a/(us*us)+b)) <= k*logMean-mean-logFactorial(k) {
			return k
		}
	}
}

func poissonSmall(r *rand.Rand, mean float64) float64 {
	limit := math.Exp(-mean)
	k := 0.0
	for product := r.Float64(); product > limit; product *= r.Float64() {
		k++
	}
	return k
}

// binomial draws how many of n trials succeed, exactly: by skipping from success to success while few
// are expected, else by transformed rejection (Hörmann, "The generation of binomial random variates",
// 1993).
func binomial(r *rand.Rand, n, p float64) float64 {
	switch {
	case n < 1 || !(p > 0):
		return 0
	case p >= 1:
		return n
	case p > 0.5:
		return n - binomial(r, n, 1-p)
	case n*p < 10:
		return binomialSmall(r, n, p)
	}
	spread := math.Sqrt(n * p * (1 - p))
	b := 1.15 + 2.53*spread
	a := -0.0873 + 0.0248*b + 0.01*p
	c := n*p + 0.5
	squeeze := 0.92 - 4.2/b
	alpha := (2.83 + 5.1/b) * spread
	mode := math.Floor((n + 1) * p)
	logOdds := math.Log(p / (1 - p))
	atMode := logFactorial(mode) + logFactorial(n-mode)
	for {
		u, v := r.Float64()-0.5, 1-r.Float64()
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + c)
		if us >= 0.07 && v <= squeeze {
			return k
		}
		if k < 0 || k > n {
			continue
		}
		if math.Log(v*alpha/(a/(us*us)+b)) <= atMode-logFactorial(k)-logFactorial(n-k)+(k-mode)*logOdds {
			return k
		}
	}
}

// binomialSmall adds up the failures before each success, which are geometric.
func binomialSmall(r *rand.Rand, n, p float64) float64 {
	logQ := math.Log1p(-p)
	k := 0.0
	for at := 0.0; ; k++ {
		at += math.Floor(math.Log(1-r.Float64())/logQ) + 1
		if at > n {
			return k
		}
	}
}

// geometric draws a number from 1 with the given mean.
func geometric(r *rand.Rand, mean float64) float64 {
	if mean <= 1 {
		return 1
	}
	return 1 + math.Floor(math.Log(1-r.Float64())/math.Log1p(-1/mean))
}

func logFactorial(k float64) float64 {
	v, _ := math.Lgamma(k + 1)
	return v
}
