package config

import (
	"fmt"
	"maps"
	"math"
	"strconv"
)

// Weight is a pool's share of a service in basis points: 10000 is 100 %.
type Weight int32

// Full is the sum of the weights of a service.
const Full Weight = 10000

// ParseWeight turns percent into a Weight: 0 to 100 with at most two decimals.
func ParseWeight(percent float64) (Weight, error) {
	if math.IsNaN(percent) || percent < 0 || percent > 100 {
		return 0, fmt.Errorf("weight %v is not between 0 and 100", percent)
	}
	w := math.Round(percent * 100)
	if math.Abs(percent*100-w) > 1e-6 {
		return 0, fmt.Errorf("weight %v has more than two decimals", percent)
	}
	return Weight(w), nil
}

// Percent is the weight as people write it: 12.5.
func (w Weight) Percent() float64 { return float64(w) / 100 }

// String is percent as people read it: "12.5 %".
func (w Weight) String() string {
	return strconv.FormatFloat(w.Percent(), 'f', -1, 64) + " %"
}

// MarshalJSON writes percent as a number.
func (w Weight) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, w.Percent(), 'f', -1, 64), nil
}

// UnmarshalJSON reads percent as a number, like ParseWeight.
func (w *Weight) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return fmt.Errorf("weight %s is not a number", b)
	}
	*w, err = ParseWeight(f)
	return err
}

// Weights is the share of each pool by name. A pool that is missing has 0; nil means not stated.
type Weights map[string]Weight

// Equal reports whether both give every pool the same share; zero and missing are the same.
func (w Weights) Equal(o Weights) bool {
	for name, v := range w {
		if o[name] != v {
			return false
		}
	}
	for name, v := range o {
		if w[name] != v {
			return false
		}
	}
	return true
}

// Sum adds all shares; a whole service has Full.
func (w Weights) Sum() Weight {
	var sum Weight
	for _, v := range w {
		sum += v
	}
	return sum
}

// Sole is the pool that has everything, "" when no pool has.
func (w Weights) Sole() string {
	for name, v := range w {
		if v == Full {
			return name
		}
	}
	return ""
}

// Clone returns a copy without the pools that have 0; nil stays nil.
func (w Weights) Clone() Weights {
	if w == nil {
		return nil
	}
	c := maps.Clone(w)
	maps.DeleteFunc(c, func(_ string, v Weight) bool { return v == 0 })
	return c
}

// All gives one pool everything.
func All(pool string) Weights { return Weights{pool: Full} }
