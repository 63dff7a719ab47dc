package judge

import (
	"encoding/json"
	"fmt"
	"math"
)

type memoryJSON struct {
	Latency histogramJSON `json:"latency"`
	Checks  []habitJSON   `json:"checks"`

	Measured []measureJSON `json:"measured,omitempty"`
}

type measureJSON struct {
	Check   string        `json:"check"`
	Latency histogramJSON `json:"latency"`
}

type habitJSON struct {
	Name     string `json:"name"`
	Long     pair   `json:"long"`
	Short    pair   `json:"short"`
	Seen     float  `json:"seen"`
	Expected float  `json:"expected"`
}

type histogramJSON struct {
	Fine   bool       `json:"fine"`
	Counts [][2]float `json:"counts"` // place and count, those of 0 left out
}

// MarshalJSON writes every number so that UnmarshalJSON brings it back bit for bit.
func (m Memory) MarshalJSON() ([]byte, error) {
	out := memoryJSON{Latency: m.Latency.encode()}
	for i := range m.habits {
		h := &m.habits[i]
		if *h == (habit{}) {
			continue
		}
		out.Checks = append(out.Checks, habitJSON{
			Name: h.name, Long: h.guess.long.pair(), Short: h.guess.short.pair(),
			Seen: float(h.dispersion.seen), Expected: float(h.dispersion.expected),
		})
	}
	for i := range m.measures {
		if k := &m.measures[i]; k.check != "" {
			out.Measured = append(out.Measured, measureJSON{Check: k.check, Latency: k.latency.encode()})
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON refuses what no memory can have written, and leaves m alone then.
func (m *Memory) UnmarshalJSON(raw []byte) error {
	var in memoryJSON
	if err := json.Unmarshal(raw, &in); err != nil {
		return fmt.Errorf("read memory: %w", err)
	}
	if len(in.Checks) > MaxChecks {
		return fmt.Errorf("read memory: %d checks, at most %d", len(in.Checks), MaxChecks)
	}
	var got Memory
	for i, c := range in.Checks {
		for _, n := range []float{c.Long[0], c.Long[1], c.Short[0], c.Short[1], c.Seen, c.Expected} {
			if !finite(float64(n)) || n < 0 {
				return fmt.Errorf("read memory: check %s: count %v", c.Name, n)
			}
		}
		got.habits[i] = habit{
			name: c.Name, guess: guess{long: c.Long.tally(), short: c.Short.tally()},
			dispersion: dispersion{seen: float64(c.Seen), expected: float64(c.Expected)},
		}
	}
	if err := got.Latency.decode(in.Latency); err != nil {
		return fmt.Errorf("read memory: %w", err)
	}
	if len(in.Measured) > MaxMeasures {
		return fmt.Errorf("read memory: %d measured times, at most %d", len(in.Measured), MaxMeasures)
	}
	for i := range in.Measured {
		got.measures[i].check = in.Measured[i].Check
		if err := got.measures[i].latency.decode(in.Measured[i].Latency); err != nil {
			return fmt.Errorf("read memory: %w", err)
		}
	}
	*m = got
	return nil
}

func (h *Histogram) encode() histogramJSON {
	out := histogramJSON{Fine: h.fine}
	for i, n := range &h.counts {
		if n != 0 {
			out.Counts = append(out.Counts, [2]float{float(i), float(n)})
		}
	}
	return out
}

func (h *Histogram) decode(in histogramJSON) error {
	h.fine = in.Fine
	for _, c := range in.Counts {
		place, n := float64(c[0]), float64(c[1])
		if place < 0 || place >= buckets || place != math.Trunc(place) || !finite(n) || n < 0 {
			return fmt.Errorf("latency bucket %v: %v", place, n)
		}
		h.counts[int(place)] = n
	}
	return nil
}
