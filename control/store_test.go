package control

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/store"
	"github.com/switchback-proxy/switchback/store/memory"
)

var errDisk = errors.New("no space left on device")

func TestStoreRefusesCommands(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		n := start(t, st, blueGreen(100))
		n.cutover("green")
		swaps, revision := n.swapper.count(), n.service().Revision
		st.Fail(errDisk)
		for name, try := range map[string]func() (api.Change, error){
			"cutover": func() (api.Change, error) {
				return n.Cutover(t.Context(), "shop", api.CutoverRequest{To: "blue"}, api.Call{})
			},
			"weights": func() (api.Change, error) {
				return n.SetWeights(t.Context(), "shop", api.WeightsRequest{Weights: api.Weights{"blue": 50, "green": 50}}, api.Call{})
			},
			"drop":  func() (api.Change, error) { return n.DropIntent(t.Context(), "shop", api.CommandRequest{}, api.Call{}) },
			"pause": func() (api.Change, error) { return n.Pause(t.Context(), "shop", api.CommandRequest{}, api.Call{}) },
		} {
			_, err := try()
			if p := refused(t, err, api.TypeStoreUnavailable); !strings.Contains(p.Detail, errDisk.Error()) {
				t.Errorf("%s: got %q", name, p.Detail)
			}
		}
		n.want("green=100")
		if n.swapper.count() != swaps || n.service().Revision != revision || !n.service().Durable {
			t.Error("a command that was refused changed something")
		}
		if got := n.Overview().Node.State.Error; !strings.Contains(got, errDisk.Error()) {
			t.Errorf("readers are told %q", got)
		}
		// What changes nothing needs no store.
		if c := n.cutover("green"); c.Changed {
			t.Errorf("got %+v", c)
		}
		st.Fail(nil)
		n.cutover("blue")
		if got := n.Overview().Node.State.Error; got != "" {
			t.Errorf("readers are told %q", got)
		}
		n.checkSwaps()
	})
}

// A rollback is in force at once; the store hears of it when it is back.
func TestRollbackWithoutTheStore(t *testing.T) {
	for name, fail := range map[string]func(st *memory.Store, err error){
		"writes refused": (*memory.Store).Fail,
		"reads and writes refused": func(st *memory.Store, err error) {
			st.Fail(err)
			st.FailReads(err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				st := memory.New()
				n := start(t, st, blueGreen(100))
				n.cutover("green")
				n.swapper.loose = true
				fail(st, errDisk)
				c := n.rollback()
				if !c.Changed || c.Durable || c.Weights["blue"] != 100 {
					t.Errorf("got %+v", c)
				}
				n.want("blue=100")
				if n.service().Durable {
					t.Error("said to be durable")
				}
				if c = n.rollback(); c.Changed || c.Durable {
					t.Errorf("repeated: got %+v", c)
				}
				rest(time.Hour)
				if n.service().Durable {
					t.Error("said to be durable")
				}
				n.want("blue=100")
				fail(st, nil)
				rest(2 * time.Second)
				if !n.service().Durable {
					t.Error("not written although the store is back")
				}
				n.stop()
				again := start(t, st, blueGreen(100))
				again.want("blue=100")
				if c := again.rollback(); c.Changed {
					t.Errorf("after a restart: got %+v", c)
				}
			})
		})
	}
}

// What is decided after such a rollback counts more.
func TestLaterChangeSupersedesARollback(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		n := start(t, st, blueGreen(100))
		n.cutover("green")
		n.swapper.loose = true
		st.Fail(errDisk)
		n.rollback()
		st.Fail(nil) // and before the loop has tried again:
		c := n.set(30)
		if !c.Durable || c.Previous["blue"] != 100 {
			t.Errorf("got %+v", c)
		}
		rest(time.Minute)
		n.want("blue=30 green=70")
		n.rollback()
		n.want("blue=100") // what the rollback had restored
	})
}

// A file that moves traffic needs the store; everything else goes on without.
func TestFilesWithoutTheStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		n := start(t, st, blueGreen(100))
		st.Fail(errDisk)
		n.apply(withTimeout(blueGreen(100)))
		_, err := n.Apply(t.Context(), blueGreen(50))
		if p := refused(t, err, api.TypeStoreUnavailable); !strings.Contains(p.Detail, errDisk.Error()) {
			t.Errorf("got %q", p.Detail)
		}
		n.want("blue=100")
		rest(time.Minute)
		n.want("blue=100")
		if ok, _, _ := n.ConfigStatus(); ok || n.Overview().Node.Config.Error == "" {
			t.Error("the configuration is said to be good")
		}
		if got := n.logged("configuration not in force"); got != 1 {
			t.Errorf("logged %d times", got)
		}
		st.Fail(nil)
		rest(2 * time.Second)
		n.want("blue=50 green=50")
		if ok, _, _ := n.ConfigStatus(); !ok {
			t.Error("the configuration is said to be bad")
		}
		n.checkSwaps()
	})
}

// fussy is a store that takes a few more writes and then none.
type fussy struct {
	*memory.Store
	left atomic.Int64
}

func (f *fussy) Put(ctx context.Context, key string, value []byte, prev store.Revision) (store.Revision, error) {
	if f.left.Add(-1) < 0 {
		return 0, errors.Join(store.ErrUnavailable, errDisk)
	}
	return f.Store.Put(ctx, key, value, prev)
}

// A file that changes two services comes into force whole or not at all, also when the store gives up
// in the middle.
func TestFileIsWhole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		two := func(blue config.Weight) *config.Config {
			w := config.Weights{"blue": blue, "green": config.Full - blue}
			return files(service("shop", w, "blue b1", "green g1"), service("web", w, "blue w1", "green w2"))
		}
		st := &fussy{Store: memory.New()}
		st.left.Store(100)
		n := start(t, st, two(10000))
		n.swapper.loose = true
		st.left.Store(1)
		_, err := n.Apply(t.Context(), two(5000))
		refused(t, err, api.TypeStoreUnavailable)
		n.want("blue=100")
		if got := n.weightsOf("web"); got != "blue=100" {
			t.Errorf("web has %s", got)
		}
		if n.service().Durable {
			t.Error("the store has something else")
		}
		// Given up: the file says again what is in force, and so does the store.
		n.apply(two(10000))
		st.left.Store(100)
		rest(2 * time.Second)
		if !n.service().Durable {
			t.Error("not written back")
		}
		n.stop()
		again := start(t, st, two(10000))
		again.want("blue=100")
		again.swapper.loose = true
		// And now it goes through in a second attempt.
		st.left.Store(1)
		_, err = again.Apply(t.Context(), two(5000))
		refused(t, err, api.TypeStoreUnavailable)
		st.left.Store(100)
		rest(2 * time.Second)
		again.want("blue=50 green=50")
		if got := again.weightsOf("web"); got != "blue=50 green=50" {
			t.Errorf("web has %s", got)
		}
		if !again.service().Durable {
			t.Error("not durable")
		}
	})
}

// A store that cannot be written does not keep the proxy from starting.
func TestStartWithoutWrites(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		st.Fail(errDisk)
		core := &swapper{store: st, loose: true}
		l := New(Options{Config: blueGreen(100), Store: st, Swapper: core, Prober: newProber()})
		if err := l.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s, err := l.Service("shop"); err != nil || s.Durable || s.Weights.InForce["blue"] != 100 {
			t.Errorf("got %+v, %v", s, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.Run(ctx) }()
		st.Fail(nil)
		rest(2 * time.Second)
		if s, err := l.Service("shop"); err != nil || !s.Durable || s.Revision == 0 {
			t.Errorf("got %+v, %v", s, err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestStartNeedsTheStates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		st.FailReads(errDisk)
		l := New(Options{Config: blueGreen(100), Store: st, Swapper: &swapper{store: st}, Prober: newProber()})
		if err := l.Start(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

// Two nodes on one store: each follows what the other decides, and races are lost, not locked.
func TestTwoNodes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		a, b := start(t, st, blueGreen(100)), start(t, st, blueGreen(100))
		c := a.cutover("green")
		synctest.Wait()
		b.want("green=100")
		if got := b.service(); got.Revision != c.Revision || got.Undo != "switchback rollback shop" {
			t.Errorf("got %+v", got)
		}
		swaps := a.swapper.count()
		b.rollback()
		synctest.Wait()
		a.want("blue=100")
		if got := a.swapper.count() - swaps; got != 1 {
			t.Errorf("one change was swapped in %d times", got)
		}
		swaps = b.swapper.count()
		b.set(60)
		synctest.Wait()
		if got := b.swapper.count() - swaps; got != 1 {
			t.Errorf("b's own change was swapped in %d times", got)
		}
		errs := make(chan error, 2)
		for _, n := range []*node{a, b} {
			go func() {
				_, err := n.Cutover(context.Background(), "shop", api.CutoverRequest{To: "green", From: "blue"}, api.Call{})
				errs <- err
			}()
		}
		if x, y := <-errs, <-errs; x != nil || y != nil { // the second finds it done
			t.Errorf("got %v and %v", x, y)
		}
		synctest.Wait()
		a.want("green=100")
		b.want("green=100")
		a.checkSwaps()
		b.checkSwaps()
	})
}

// racing is a store in which somebody else is faster, once.
type racing struct {
	*memory.Store
	first func()
}

func (r *racing) Put(ctx context.Context, key string, value []byte, prev store.Revision) (store.Revision, error) {
	if first := r.first; first != nil {
		r.first = nil
		first()
	}
	return r.Store.Put(ctx, key, value, prev)
}

func TestConflictStartsAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := &racing{Store: memory.New()}
		n := start(t, st, file(config.All("blue"), "blue b1", "green g1", "red r1"))
		other := start(t, st.Store, file(config.All("blue"), "blue b1", "green g1", "red r1"))
		st.first = func() { other.cutover("green") }
		c := n.cutover("red")
		if c.Previous["blue"] != 100 && c.Previous["green"] != 100 {
			t.Errorf("got %+v", c)
		}
		n.want("red=100")
		n.rollback()
		n.want("green=100") // the other one's cutover was not lost
		st.first = func() { other.cutover("blue") }
		_, err := n.Cutover(t.Context(), "shop", api.CutoverRequest{To: "red", From: "green"}, api.Call{})
		refused(t, err, api.TypeUnexpectedLivePool)
		// A file in a race: the other one's cutover came first, then the file's weights win.
		st.first = func() { other.cutover("red") }
		n.apply(file(config.Weights{"blue": 5000, "red": 5000}, "blue b1", "green g1", "red r1"))
		n.want("blue=50 red=50")
		n.rollback()
		n.want("red=100")
		n.checkSwaps()
	})
}

// While it runs, a value that cannot be read or that vanished changes nothing here.
func TestStateDamagedMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		n := start(t, st, blueGreen(100))
		c := n.cutover("green")
		if _, err := st.Put(t.Context(), "service/shop", []byte("{"), store.Revision(c.Revision)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		n.want("green=100")
		if n.logged("state unreadable") != 1 {
			t.Errorf("logs: %v", n.logs.All())
		}
		n.rollback()
		n.want("blue=100")
		e, err := st.Get(t.Context(), "service/shop")
		if err != nil {
			t.Fatal(err)
		}
		if err := st.Delete(t.Context(), "service/shop", e.Revision); err != nil {
			t.Fatal(err)
		}
		rest(2 * time.Second)
		if _, err := st.Get(t.Context(), "service/shop"); err != nil {
			t.Errorf("not written again: %v", err)
		}
		n.want("blue=100")
		n.cutover("green")
		n.stop()
		again := start(t, st, blueGreen(100))
		again.want("green=100")
	})
}

// forgetful is a store whose watch of states has to list again, once.
type forgetful struct {
	*memory.Store
	compacted atomic.Int64
	gate      chan struct{}
}

func (f *forgetful) Watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[store.Change, error] {
	if prefix != "service/" || f.compacted.Add(1) > 1 {
		return f.Store.Watch(ctx, prefix, after)
	}
	return func(yield func(store.Change, error) bool) {
		select {
		case <-f.gate:
			yield(store.Change{}, store.ErrCompacted)
		case <-ctx.Done():
		}
	}
}

func TestWatchCompacted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := &forgetful{Store: memory.New(), gate: make(chan struct{})}
		n := start(t, st, blueGreen(100))
		other := start(t, st.Store, blueGreen(100))
		other.cutover("green")
		synctest.Wait()
		n.want("blue=100") // it has not heard yet
		close(st.gate)
		synctest.Wait()
		n.want("green=100")
		other.rollback()
		synctest.Wait()
		n.want("blue=100")
		if n.logged("states not followed") != 0 {
			t.Error("listing again is no trouble")
		}
	})
}

// A watch that fails is tried again, and said once.
func TestWatchFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		other := start(t, st, blueGreen(100))
		core := &failing{Store: st}
		core.fail.Store(true)
		n := start(t, core, blueGreen(100))
		other.cutover("green")
		rest(time.Minute)
		if got := n.logged("states not followed"); got != 1 {
			t.Errorf("logged %d times", got)
		}
		core.fail.Store(false)
		rest(2 * time.Second)
		n.want("green=100")
	})
}

type failing struct {
	*memory.Store
	fail atomic.Bool
}

func (f *failing) Watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[store.Change, error] {
	if !f.fail.Load() {
		return f.Store.Watch(ctx, prefix, after)
	}
	return func(yield func(store.Change, error) bool) { yield(store.Change{}, store.ErrUnavailable) }
}

// lying is a store that writes and says that it did not, as long as it lies.
type lying struct {
	*memory.Store
	lies atomic.Bool
}

func (s *lying) Put(ctx context.Context, key string, value []byte, prev store.Revision) (store.Revision, error) {
	rev, err := s.Store.Put(ctx, key, value, prev)
	if err == nil && s.lies.Load() {
		return 0, errors.Join(store.ErrUnavailable, errDisk)
	}
	return rev, err
}

// Watch tells nothing: only the next write finds out.
func (s *lying) Watch(ctx context.Context, _ string, _ store.Revision) iter.Seq2[store.Change, error] {
	return func(func(store.Change, error) bool) { <-ctx.Done() }
}

func TestWriteOfUnknownOutcome(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := &lying{Store: memory.New()}
		n := start(t, st, blueGreen(100))
		st.lies.Store(true)
		_, err := n.Cutover(t.Context(), "shop", api.CutoverRequest{To: "green"}, api.Call{})
		refused(t, err, api.TypeStoreUnavailable)
		n.want("blue=100")
		st.lies.Store(false)
		if c := n.cutover("green"); c.Changed { // the state is read anew: it was so already
			t.Errorf("got %+v", c)
		}
		n.want("green=100")

		n.swapper.loose = true
		st.lies.Store(true)
		if c := n.rollback(); c.Durable {
			t.Errorf("got %+v", c)
		}
		st.lies.Store(false)
		rest(2 * time.Second)
		n.want("blue=100")
		if !n.service().Durable || n.logged("change made without the store was superseded") != 0 {
			t.Error("the rollback that was written does not count")
		}

		// A file with a pool that the configuration in force does not have.
		st.lies.Store(true)
		_, err = n.Apply(t.Context(), file(config.All("red"), "red r1"))
		refused(t, err, api.TypeStoreUnavailable)
		n.want("blue=100")
		st.lies.Store(false)
		rest(2 * time.Second)
		n.want("red=100")
		if !n.service().Durable {
			t.Error("not durable")
		}
	})
}

// What others decided while a rollback could not be written counts more than it.
func TestRollbackSuperseded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := &fussy{Store: memory.New()}
		st.left.Store(100)
		c := file(config.All("blue"), "blue b1", "green g1", "red r1")
		n, other := start(t, st, c), start(t, st.Store, c)
		n.swapper.loose = true
		n.cutover("green")
		st.left.Store(0)
		n.rollback()
		n.want("blue=100")
		synctest.Wait()
		other.want("green=100")
		other.cutover("red")
		rest(2 * time.Second)
		n.want("red=100")
		if n.logged("change made without the store was superseded") != 1 || !n.service().Durable {
			t.Errorf("logs: %v", n.logs.All())
		}
	})
}
