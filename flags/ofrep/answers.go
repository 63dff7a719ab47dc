package ofrep

import (
	"crypto/sha256"
	"encoding/json"
	"strings"

	"github.com/switchback-proxy/switchback/flags"
	"github.com/switchback-proxy/switchback/metrics"
)

// answers are those of one flag, written when the flag came into force: a head for each reason, a tail for
// each variant. An evaluation puts two of them together.
type answers struct {
	heads   [reasons][]byte // {"key":…,"reason":…,
	counts  [reasons]*metrics.Evaluation
	tails   map[string]tail // by variant
	missing tail            // the whole answer to a context without the key that the flag needs
	failed  *metrics.Evaluation
}

// tail is the end of an answer, from the variant on, and what tells the answer from others.
type tail struct {
	json []byte
	sum  sum
}

// sum stands for the key of a flag and one of its tails.
type sum [8]byte

// reasons is how many there are; orderOf gives each a place.
const reasons = 4

func orderOf(r flags.Reason) int {
	switch r {
	case flags.Static:
		return 0
	case flags.TargetingMatch:
		return 1
	case flags.Split:
		return 2
	case flags.Default:
	}
	return 3
}

// write prepares the answers of a flag.
func write(f *flags.Flag, counts *metrics.Evaluations) answers {
	a := answers{tails: make(map[string]tail, len(f.Config.Variants)), failed: counts.Reason(metrics.FailedEvaluation)}
	key := quote(f.Name)
	for _, r := range []flags.Reason{flags.Static, flags.TargetingMatch, flags.Split, flags.Default} {
		a.heads[orderOf(r)] = []byte(`{"key":` + key + `,"reason":` + quote(string(r)) + `,`)
		a.counts[orderOf(r)] = counts.Reason(strings.ToLower(string(r)))
	}
	metadata := `{}`
	if f.Killed {
		metadata = `{"killed":true}`
	}
	for name, value := range f.Config.Variants {
		a.tails[name] = newTail(key, `"variant":`+quote(name)+`,"value":`+string(value)+`,"metadata":`+metadata+`}`)
	}
	a.missing = newTail(key, string(failure{Key: &f.Name, Code: codeTargetingKey, Details: "Flag " + f.Name +
		" tells users apart: send context.targetingKey, a text that stays the same for a user."}.json()))
	return a
}

func newTail(key, text string) tail {
	t := tail{json: []byte(text)}
	whole := sha256.Sum256([]byte(key + text))
	copy(t.sum[:], whole[:])
	return t
}

// quote writes s as JSON.
func quote(s string) string {
	b, _ := json.Marshal(s) // text can always be written
	return string(b)
}

// answer is what one flag says to one context.
type answer struct {
	flag   *answers
	tail   tail
	reason int // place of the reason; reasons: a targeting key is missing
}

// evaluate asks a flag, and counts that it did.
func (s *state) evaluate(f *flags.Flag, c *flags.Context) answer {
	a := &s.flags[f.Index]
	r := f.Evaluate(c)
	if r.Missing() {
		a.failed.Count()
		return answer{a, a.missing, reasons}
	}
	at := orderOf(r.Reason)
	a.counts[at].Count()
	return answer{a, a.tails[r.Variant.Name], at}
}

func (a *answer) failed() bool { return a.reason == reasons }

// append writes the answer behind b.
func (a *answer) append(b []byte) []byte {
	if !a.failed() {
		b = append(b, a.flag.heads[a.reason]...)
	}
	return append(b, a.tail.json...)
}

// identity appends what tells the answer from every other of its flag.
func (a *answer) identity(b []byte) []byte {
	return append(append(b, a.tail.sum[:]...), byte(a.reason)) //nolint:gosec // at most reasons
}
