// Package receipt remembers what was answered to requests that named a key, so that a request sent again gets its
// answer again and changes nothing twice. It keeps nothing itself: receipts lie in the state that a request
// changed, so that they are as durable as the change.
package receipt

import (
	"encoding/json"
	"slices"
	"time"
)

const (
	// For is how long an answer is given again.
	For = 24 * time.Hour
	// Keep is the most receipts in one list.
	Keep = 32
	// MaxBody is the most bytes of an answer.
	MaxBody = 16 << 10
)

// Receipt is one answer.
type Receipt struct {
	Key      string          `json:"key"`     // identifies who asked and the key they named
	Request  string          `json:"request"` // identifies what was asked
	At       time.Time       `json:"at"`
	Revision int64           `json:"revision,omitempty"` // of the state with the change; 0: of the state it lies in
	Body     json.RawMessage `json:"body"`
}

// Find returns the receipt of a key, unless it is too old.
func Find(list []Receipt, key string, now time.Time) (Receipt, bool) {
	for _, r := range list {
		if r.Key == key && fresh(r, now) {
			return r, true
		}
	}
	return Receipt{}, false
}

func fresh(r Receipt, now time.Time) bool { return now.Sub(r.At) < For }

// Add returns a list with one more receipt. Those that are too old go, and the oldest of too many. The list that
// is given stays as it is.
func Add(list []Receipt, r Receipt) []Receipt {
	all := slices.DeleteFunc(slices.Clone(list), func(old Receipt) bool { return !fresh(old, r.At) || old.Key == r.Key })
	all = append(all, r)
	return all[max(0, len(all)-Keep):]
}

// Dated returns a list in which every receipt has a revision: those without one were written with this one. The
// list that is given stays as it is.
func Dated(list []Receipt, revision int64) []Receipt {
	undated := func(r Receipt) bool { return r.Revision == 0 }
	if !slices.ContainsFunc(list, undated) {
		return list
	}
	all := slices.Clone(list)
	for i := range all {
		if undated(all[i]) {
			all[i].Revision = revision
		}
	}
	return all
}
