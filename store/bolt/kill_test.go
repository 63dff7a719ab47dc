package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/store"
	"github.com/switchback-proxy/switchback/store/bolt"
)

// counters are the keys the child writes in turn: write n goes to counters[n % len].
var counters = []string{"service/a", "service/b", "evidence/a"}

// sheet is what write n puts: its number, over and over, in sizes that take one page and several.
func sheet(n int) []byte {
	return bytes.Repeat([]byte(strconv.Itoa(n)+" "), 1+n*37%2000)
}

// writeForEver counts up from what is in the store and says so after each acknowledged write.
func writeForEver(dir string) error {
	s, _, err := bolt.Open(dir, bolt.Options{})
	if err != nil {
		return err
	}
	ctx := context.Background()
	_, at, err := s.List(ctx, "")
	if err != nil {
		return err
	}
	for n := int(at) + 1; ; n++ {
		key := counters[n%len(counters)]
		e, err := s.Get(ctx, key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		got, err := s.Put(ctx, key, sheet(n), e.Revision)
		if err != nil || int(got) != n {
			return fmt.Errorf("write %d: revision %d, %w", n, got, err)
		}
		fmt.Fprintln(os.Stdout, n)
	}
}

// TestKill kills the writer at random moments. The next start finds the state acknowledged last, or the
// one in flight: every key holds exactly what the write before it put there.
func TestKill(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 20
	}
	rnd := rand.New(rand.NewPCG(9, 10))
	dir := t.TempDir()
	last, inFlight := 0, 0
	for range rounds {
		acked := killedAfter(t, dir, 1+rnd.IntN(12), time.Duration(rnd.IntN(3000))*time.Microsecond)
		if acked <= last {
			t.Fatalf("the writer acknowledged %d after a start at %d", acked, last)
		}
		s, report := openReport(t, dir)
		_, at, err := s.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		last = int(at)
		if last != acked && last != acked+1 || report.Origin != bolt.Intact {
			t.Fatalf("acknowledged %d, found %d, %v %v; want it or the next one, intact", acked, last, report.Origin, report.Warnings)
		}
		if last != acked {
			inFlight++
		}
		holds(t, s, last)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills after %d writes; %d times the one in flight was there", rounds, last, inFlight)
}

// TestKillThenDamage: killed, then the database is lost as well. last-good.json has the acknowledged state or
// the one in flight.
func TestKillThenDamage(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	dir := t.TempDir()
	for range 10 {
		acked := killedAfter(t, dir, 1+rnd.IntN(8), time.Duration(rnd.IntN(3000))*time.Microsecond)
		filled(database, -1, 1)(t, dir)
		s, report := openReport(t, dir)
		_, at, err := s.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if n := int(at); n != acked && n != acked+1 || report.Origin != bolt.Recovered {
			t.Fatalf("acknowledged %d, found %d, %v %v; want it or the next one, recovered", acked, n, report.Origin, report.Warnings)
		}
		holds(t, s, int(at))
		s.Close()
	}
}

// TestKillWhileRecovering kills the process at random moments of a start that has to rebuild the database,
// between two renames for example. Nothing of what was acknowledged may go.
func TestKillWhileRecovering(t *testing.T) {
	rnd := rand.New(rand.NewPCG(13, 14))
	dir := t.TempDir()
	last := killedAfter(t, dir, 5, 0)
	for range 30 {
		filled(database, 5000, 1)(t, dir)
		c := child(t, "write", dir)
		said := lines(t, c)
		time.Sleep(time.Duration(rnd.IntN(15_000)) * time.Microsecond)
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for line := range said {
			n, err := strconv.Atoi(line)
			if err != nil {
				t.Fatalf("the writer said %q", line)
			}
			last = n
		}
		_ = c.Wait() // says that it was killed
		s, report := openReport(t, dir)
		_, at, err := s.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if n := int(at); n != last && n != last+1 || report.Origin == bolt.Lost || report.Origin == bolt.Fresh {
			t.Fatalf("acknowledged %d, found %d, %v %v; want it or the next one", last, n, report.Origin, report.Warnings)
		}
		last = int(at)
		holds(t, s, last)
		s.Close()
	}
}

// killedAfter runs the writer for a number of acknowledged writes and a while longer, kills it, and returns
// the last one it acknowledged.
func killedAfter(t testing.TB, dir string, writes int, while time.Duration) int {
	t.Helper()
	c := child(t, "write", dir)
	said := lines(t, c)
	last := ""
	for range writes {
		line, ok := <-said
		if !ok {
			t.Fatal("the writer ended by itself")
		}
		last = line
	}
	time.Sleep(while) // a random moment is the point
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for line := range said {
		last = line
	}
	_ = c.Wait() // says that it was killed
	n, err := strconv.Atoi(last)
	if err != nil {
		t.Fatalf("the writer said %q", last)
	}
	return n
}

// holds checks that a store has the state after write n and no other.
func holds(t testing.TB, s store.Store, n int) {
	t.Helper()
	list, _, err := s.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]store.Entry{}
	for _, e := range list {
		got[e.Key] = e
	}
	for i := max(1, n-len(counters)+1); i <= n; i++ {
		e := got[counters[i%len(counters)]]
		if int(e.Revision) != i || !bytes.Equal(e.Value, sheet(i)) {
			t.Errorf("%s at %d holds %.40q, want write %d", e.Key, e.Revision, e.Value, i)
		}
	}
	if len(got) != min(n, len(counters)) {
		t.Errorf("%d entries after %d writes", len(got), n)
	}
}
