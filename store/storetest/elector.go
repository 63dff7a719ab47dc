package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/store"
)

// Electing is a store whose nodes choose one of them.
type Electing interface {
	store.Store
	store.Elector
}

// RunElector holds the elections of a store against the contract. open makes an empty store for one
// subtest and sees to its cleanup; the suite may have closed it before.
func RunElector(t *testing.T, open func(t testing.TB) Electing) {
	tests := []struct {
		name string
		run  func(t *testing.T, s Electing)
	}{
		{"the only candidate leads", oneLeads},
		{"the second waits for the first", secondWaits},
		{"one at a time", oneAtATime},
		{"ended context", campaignEnds},
		{"closed store", campaignClosed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// RunElectorReopen holds the elections of a durable store against the contract across restarts. open is
// that of RunReopen.
func RunElectorReopen(t *testing.T, open func(t testing.TB, place string) Electing) {
	place := t.TempDir()
	var last int64
	for range 4 {
		s := open(t, place)
		term := campaign(t.Context(), t, s)
		if term.N <= last {
			t.Errorf("term %d after term %d and a restart", term.N, last)
		}
		last = term.N
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		over(t, term)
	}
}

func oneLeads(t *testing.T, s Electing) {
	ctx, resign := context.WithCancel(t.Context())
	term := campaign(ctx, t, s)
	if term.N < 1 {
		t.Errorf("first term %d, want at least 1", term.N)
	}
	select {
	case <-term.Done:
		t.Error("the term is over before anybody ended it")
	default:
	}
	resign()
	over(t, term)
	if next := campaign(t.Context(), t, s); next.N <= term.N {
		t.Errorf("term %d after term %d", next.N, term.N)
	}
}

func secondWaits(t *testing.T, s Electing) {
	ctx, resign := context.WithCancel(t.Context())
	first := campaign(ctx, t, s)
	elected := make(chan store.Term)
	go func() {
		term, err := s.Campaign(t.Context())
		if err != nil {
			t.Errorf("second campaign: %v", err)
		}
		select {
		case <-first.Done:
		default:
			t.Error("the second leads while the first does")
		}
		elected <- term
	}()
	resign()
	select {
	case second := <-elected:
		if second.N <= first.N {
			t.Errorf("term %d after term %d", second.N, first.N)
		}
	case <-time.After(patience):
		t.Fatal("the second was never elected")
	}
}

func oneAtATime(t *testing.T, s Electing) {
	const nodes, rounds = 4, 5
	var leading atomic.Int32
	var mu sync.Mutex
	terms := map[int64]bool{}
	var wg sync.WaitGroup
	for range nodes {
		wg.Go(func() {
			for range rounds {
				ctx, resign := context.WithCancel(t.Context())
				term, err := s.Campaign(ctx)
				if err != nil {
					t.Errorf("campaign: %v", err)
					resign()
					return
				}
				if n := leading.Add(1); n != 1 {
					t.Errorf("%d lead at once", n)
				}
				mu.Lock()
				if terms[term.N] {
					t.Errorf("term %d twice", term.N)
				}
				terms[term.N] = true
				mu.Unlock()
				leading.Add(-1)
				resign()
				<-term.Done
			}
		})
	}
	wg.Wait()
	if len(terms) != nodes*rounds {
		t.Errorf("%d terms, want %d", len(terms), nodes*rounds)
	}
}

func campaignEnds(t *testing.T, s Electing) {
	campaign(t.Context(), t, s)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := s.Campaign(ctx)
		failed <- err
	}()
	cancel()
	select {
	case err := <-failed:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("campaign with an ended context: %v, want Canceled", err)
		}
	case <-time.After(patience):
		t.Fatal("a campaign outlives its context")
	}
}

func campaignClosed(t *testing.T, s Electing) {
	term := campaign(t.Context(), t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	over(t, term)
	if _, err := s.Campaign(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("campaign on a closed store: %v, want ErrClosed", err)
	}
}

func campaign(ctx context.Context, t testing.TB, s store.Elector) store.Term {
	t.Helper()
	term, err := s.Campaign(ctx)
	if err != nil {
		t.Fatalf("campaign: %v", err)
	}
	return term
}

func over(t testing.TB, term store.Term) {
	t.Helper()
	select {
	case <-term.Done:
	case <-time.After(patience):
		t.Fatal("the term is not over")
	}
}
