package receipt

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

var at = time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)

func TestReceipts(t *testing.T) {
	var list []Receipt
	for i := range 2 * Keep {
		list = Add(list, Receipt{Key: fmt.Sprint(i), At: at.Add(time.Duration(i) * time.Minute)})
	}
	if len(list) != Keep || list[0].Key != fmt.Sprint(Keep) {
		t.Fatalf("%d receipts, the first is %s; want the newest %d", len(list), list[0].Key, Keep)
	}
	last := list[Keep-1]
	tests := []struct {
		name, key string
		now       time.Time
		want      bool
	}{
		{"there", last.Key, last.At, true},
		{"almost too old", last.Key, last.At.Add(For - 1), true},
		{"too old", last.Key, last.At.Add(For), false},
		{"forgotten", "0", last.At, false},
		{"never there", "x", last.At, false},
		{"the clock was set back", last.Key, last.At.Add(-time.Hour), true},
	}
	for _, tt := range tests {
		if r, got := Find(list, tt.key, tt.now); got != tt.want || got && r.Key != tt.key {
			t.Errorf("%s: found %v %q, want %v", tt.name, got, r.Key, tt.want)
		}
	}
	if got := Add(list, Receipt{Key: "new", At: last.At.Add(For)}); len(got) != 1 {
		t.Errorf("%d receipts a day later, want the new one", len(got))
	}
	again := Add(list, Receipt{Key: last.Key, At: last.At, Request: "again"})
	if r, _ := Find(again, last.Key, last.At); len(again) != Keep || r.Request != "again" {
		t.Errorf("the same key again: %d receipts, %+v", len(again), r)
	}
}

func TestDated(t *testing.T) {
	list := []Receipt{{Key: "a", Revision: 3}, {Key: "b"}}
	got := Dated(list, 7)
	if got[0].Revision != 3 || got[1].Revision != 7 || list[1].Revision != 0 {
		t.Errorf("dated %+v, before %+v", got, list)
	}
	if again := Dated(got, 9); !slices.EqualFunc(again, got, func(a, b Receipt) bool { return a.Revision == b.Revision }) {
		t.Errorf("dated twice: %+v", again)
	}
}
