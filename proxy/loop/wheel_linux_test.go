package loop

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestWheel moves deadlines about as requests do, beside a plain list of them.
func TestWheel(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		w := &wheel{hand: 1000}
		now := w.hand
		clients := make([]*client, 1+rnd.IntN(30))
		want := map[*client]int64{}
		for i := range clients {
			clients[i] = &client{}
		}
		for range 400 {
			c := clients[rnd.IntN(len(clients))]
			switch rnd.IntN(6) {
			case 0, 1, 2:
				at := now + rnd.Int64N(40)
				if rnd.IntN(10) == 0 {
					at = now + rnd.Int64N(3*slots)
				}
				w.set(c, at, now)
				want[c] = max(at, now+1)
			case 3:
				w.set(c, 0, now)
				delete(want, c)
			case 4:
				w.unlink(c) // as closing does
				c.timer = timer{}
				delete(want, c)
			case 5:
				now += rnd.Int64N(20)
				if rnd.IntN(50) == 0 {
					now += 2 * slots // a process that was stopped
				}
				checkTurn(t, w, now, want)
			}
		}
		now += 4 * slots
		checkTurn(t, w, now, want)
		if len(want) > 0 {
			t.Fatalf("seed %d: %d deadlines were forgotten", seed, len(want))
		}
	}
}

// checkTurn demands that exactly those are due whose time is over.
func checkTurn(t *testing.T, w *wheel, now int64, want map[*client]int64) {
	t.Helper()
	var due []*client
	for range 4 { // a turn that skipped a whole circumference may leave some for the next
		for again := true; again; again = w.hand < now {
			before, most := len(due), 1+rand.IntN(3)
			w.turn(now, most, func(c *client) { due = append(due, c) })
			if n := len(due) - before; n > most || w.hand < now && n < most {
				t.Fatalf("%d were due at once, at most %d; the hand is at %d of %d", n, most, w.hand, now)
			}
		}
	}
	for _, c := range due {
		if at, ok := want[c]; !ok || at > now {
			t.Fatalf("due at %d: %d %v", now, at, ok)
		}
		delete(want, c)
	}
	for c, at := range want {
		if at <= now {
			t.Fatalf("at %d the deadline %d has not come (linked in %d)", now, at, c.timer.slot)
		}
	}
}

// TestBuffers: what comes back is given out again, empty, and never to two.
func TestBuffers(t *testing.T) {
	var b buffers
	var out [][]byte
	for range 1000 {
		for _, n := range []int{1, crumbSize + 1, pageSize, pageSize + 1, bigSize, bigSize + 1} {
			p := b.get(n)
			if len(p) != 0 || cap(p) < n {
				t.Fatalf("asked for %d, got %d of %d", n, len(p), cap(p))
			}
			out = append(out, append(p, byte(n)))
		}
		if len(out) > 20 {
			for _, p := range out {
				b.put(p)
			}
			out = nil
		}
	}
	all := slices.Concat(b[:]...)
	for i := range all {
		for j := range i {
			if &all[i][:1][0] == &all[j][:1][0] {
				t.Fatal("one buffer is kept twice")
			}
		}
	}
}
