package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/switchback-proxy/switchback/store"
	"github.com/switchback-proxy/switchback/store/ledger"
)

// The contract itself is tested through the stores; here is what only a ledger has.

func TestNew(t *testing.T) {
	l := ledger.New([]store.Entry{{Key: "b", Value: []byte("2"), Revision: 7}, {Key: "a", Value: []byte("1"), Revision: 3}}, 9)
	list, at, err := l.List("")
	if got := fmt.Sprint(list); err != nil || at != 9 || got != "[{a [49] 3} {b [50] 7}]" {
		t.Errorf("list: %s at %d, %v; want both entries, sorted, at 9", got, at, err)
	}
	if err := firstError(t, l, 8); !errors.Is(err, store.ErrCompacted) {
		t.Errorf("watch from before the ledger began: %v, want ErrCompacted", err)
	}
	c, err := l.Put("c", nil, 0)
	if err != nil || c.Revision != 10 {
		t.Errorf("first change: %d, %v; want revision 10", c.Revision, err)
	}
}

func TestPlansChangeNothing(t *testing.T) {
	l := ledger.New([]store.Entry{{Key: "a", Revision: 1}}, 1)
	c, err := l.Put("b", []byte("2"), 0)
	if err != nil {
		t.Fatal(err)
	}
	gone, err := l.Delete("a", 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := keys(l.Snapshot(c, gone)); !slices.Equal(got, []string{"b"}) {
		t.Errorf("snapshot with both plans: %v, want b alone", got)
	}
	if got := keys(l.Snapshot()); l.Revision() != 1 || !slices.Equal(got, []string{"a"}) {
		t.Errorf("after planning only: %v at %d, want a at 1", got, l.Revision())
	}
}

func TestHistoryIsBounded(t *testing.T) {
	tests := []struct {
		name  string
		value int // bytes
		keeps int // changes
	}{
		{"by number", 10, ledger.MaxChanges},
		{"by size", 8 << 10, ledger.MaxBytes / (8 << 10)}, // as large as the state of a busy service
		{"of the largest", store.MaxValue, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := ledger.New(nil, 0)
			const writes = ledger.MaxChanges + 50
			value := make([]byte, test.value)
			for i := range store.Revision(writes) {
				c, err := l.Put("k", value, i)
				if err != nil {
					t.Fatal(err)
				}
				l.Apply(c)
			}
			oldest := store.Revision(writes - test.keeps)
			if err := firstError(t, l, oldest-1); !errors.Is(err, store.ErrCompacted) {
				t.Errorf("watch after %d: %v, want ErrCompacted", oldest-1, err)
			}
			if err := firstError(t, l, oldest); err != nil {
				t.Errorf("watch after %d: %v, want %d changes", oldest, err, test.keeps)
			}
		})
	}
}

// firstError is what the first thing a watch yields says.
func firstError(t testing.TB, l *ledger.Ledger, after store.Revision) error {
	t.Helper()
	for _, err := range l.Watch(t.Context(), "", after) {
		return err
	}
	t.Error("the watch yielded nothing")
	return nil
}

func keys(entries []store.Entry) []string {
	var list []string
	for _, e := range entries {
		list = append(list, e.Key)
	}
	return list
}
