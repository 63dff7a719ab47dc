package loop

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	batch = 256 // events taken at once
	// budget is how many bytes one connection may move before the others have their turn.
	budget = 128 << 10
	// dueAtOnce is how many deadlines are dealt with before events have their turn: a crowd that came together is
	// cut off together.
	dueAtOnce = 64
	scratch   = bigSize // one read of a body
)

// handler is a connection that waits for events.
type handler interface {
	// ready is told what happened; it does what can be done.
	ready(events uint32)
}

// slot is a descriptor's place. The generation tells its events from those of the one that had the place before.
type slot struct {
	h          handler
	generation uint32
}

// poller is one event loop: an ordinary goroutine that the runtime's own poller wakes when the epoll descriptor
// has events. Everything in it belongs to that goroutine but what post touches.
type poller struct {
	group *Group
	ep    int
	file  *os.File // of ep
	raw   syscall.RawConn
	slots []slot
	free  []uint32
	batch [batch]unix.EpollEvent

	now     time.Time // of the batch
	ticks   int64
	wheel   wheel
	ticking bool      // the clock runs
	swept   int64     // tick of the last look at kept connections
	again   []*client // have used up their budget
	spare   []*client
	bodies  []byte // scratch for reads
	out     []byte // scratch for heads
	pages   buffers
	pipes   []*pipe
	idle    idle
	clients int
	acts    []*activity // to be used again

	tickets      uint64 // of dialing
	interruptAll func() // posts interrupted; made once, since every request carries it
	interrupting atomic.Bool

	wakeFD int
	mu     sync.Mutex // guards tasks and closed
	tasks  []func()
	closed bool // there is nobody to wake any more
	woken  atomic.Bool
	ended  bool // nothing is added any more
	done   chan struct{}
}

func newPoller(g *Group) (*poller, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll descriptor: %w", err)
	}
	// Non-blocking is what tells os.NewFile that the runtime can poll it.
	if err := unix.SetNonblock(ep, true); err != nil {
		_ = unix.Close(ep)
		return nil, fmt.Errorf("make an epoll descriptor: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(ep)
		return nil, fmt.Errorf("make an event descriptor: %w", err)
	}
	p := &poller{
		group: g, ep: ep, file: os.NewFile(uintptr(ep), "epoll"), wakeFD: wake, done: make(chan struct{}),
		bodies: make([]byte, scratch), out: make([]byte, 0, 8<<10),
		idle: idle{lists: map[endpoint]*idleList{}},
	}
	if p.raw, err = p.file.SyscallConn(); err == nil {
		_, err = p.add(wake, (*waker)(p), unix.EPOLLIN)
	}
	if err != nil {
		_ = p.file.Close()
		_ = unix.Close(wake)
		return nil, fmt.Errorf("watch an event descriptor: %w", err)
	}
	p.interruptAll = func() {
		if !p.interrupting.Swap(true) {
			p.post(p.interrupted)
		}
	}
	p.clock()
	p.wheel.hand = p.ticks
	return p, nil
}

func (p *poller) clock() {
	p.now = time.Now()
	p.ticks = ticks(p.now)
}

// run ends when close has been posted and the last connection is gone.
func (p *poller) run() {
	defer close(p.done)
	for !p.over() {
		deadline := time.Time{}
		if p.ticking = p.timed(); p.ticking {
			deadline = p.now.Add(tick)
		}
		_ = p.file.SetReadDeadline(deadline)
		err := p.raw.Read(p.turn)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			break // cannot be: the descriptor is closed below only
		}
		p.clock()
		p.expire()
	}
	p.idle.clear()
	p.closePipes()
	p.mu.Lock()
	p.closed = true // the numbers may be somebody else's from now on
	p.mu.Unlock()
	_ = p.file.Close()
	_ = unix.Close(p.wakeFD)
}

// timed reports whether anything waits for time to pass.
func (p *poller) timed() bool { return p.wheel.armed > 0 || p.idle.n > 0 }

func (p *poller) over() bool { return p.ended && p.clients == 0 }

// turn handles what happened since the last one. It returns false to be called again when there is more, and
// true at the end of the loop or when the wheel wants to turn.
func (p *poller) turn(uintptr) bool {
	for {
		n := epollWait(p.ep, p.batch[:])
		p.clock()
		p.batched(p.batch[:n])
		p.resume()
		if p.over() {
			return true
		}
		if p.timed() {
			if !p.ticking {
				return true // to have the clock started
			}
			if p.late() {
				p.expire() // events that never cease must not stop it
			}
		}
		if n < batch && len(p.again) == 0 && !p.late() {
			return p.over()
		}
	}
}

// batched handles events: those of kept connections come first, so that no request of the same batch is sent on one
// that has ended or has said what nobody asked for.
func (p *poller) batched(events []unix.EpollEvent) {
	for i := range events {
		if b, ok := p.slots[uint32(events[i].Fd)].h.(*backend); ok && b.client == nil { //nolint:gosec // as below
			p.dispatch(&events[i])
			events[i].Events = 0
		}
	}
	for i := range events {
		if events[i].Events != 0 {
			p.dispatch(&events[i])
		}
	}
}

// dispatch hands on one event. Its place may have another owner since it was reported.
func (p *poller) dispatch(e *unix.EpollEvent) {
	s := &p.slots[uint32(e.Fd)]                      //nolint:gosec // the data is ours: place and generation
	if s.h == nil || s.generation != uint32(e.Pad) { //nolint:gosec // the same
		return
	}
	defer p.contain(s.h)
	s.h.ready(e.Events)
}

// resume gives those who have used up their budget another one.
func (p *poller) resume() {
	if len(p.again) == 0 {
		return
	}
	turn := p.again
	p.again, p.spare = p.spare[:0], nil
	for i, c := range turn {
		turn[i] = nil
		c.queued = false
		if c.fd >= 0 {
			c.safely((*client).drive)
		}
	}
	p.spare = turn[:0]
}

// late reports whether deadlines may have passed that have not been dealt with.
func (p *poller) late() bool { return p.timed() && p.ticks > p.wheel.hand }

func (p *poller) expire() {
	p.wheel.turn(p.ticks, dueAtOnce, func(c *client) { c.safely((*client).expired) })
	if p.ticks-p.swept >= sweepTicks {
		p.swept = p.ticks
		p.idle.sweep(p)
	}
}

const edges = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

// add watches a descriptor and returns its place.
func (p *poller) add(fd int, h handler, events uint32) (uint32, error) {
	if p.ended {
		return 0, net.ErrClosed
	}
	var at uint32
	if n := len(p.free); n > 0 {
		at, p.free = p.free[n-1], p.free[:n-1]
	} else {
		at = uint32(len(p.slots)) //nolint:gosec // as many as descriptors at most
		p.slots = append(p.slots, slot{})
	}
	s := &p.slots[at]
	s.h = h
	e := unix.EpollEvent{Events: events, Fd: int32(at), Pad: int32(s.generation)} //nolint:gosec // two halves of what is given back
	if err := unix.EpollCtl(p.ep, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
		p.vacate(at)
		return 0, err
	}
	return at, nil
}

// vacate frees a place.
func (p *poller) vacate(at uint32) {
	s := &p.slots[at]
	s.h = nil
	s.generation++
	p.free = append(p.free, at)
}

// post has the loop call f, from any goroutine. After the loop's end f is never called.
func (p *poller) post(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tasks = append(p.tasks, f)
	if !p.closed && !p.woken.Swap(true) {
		_, _ = unix.Write(p.wakeFD, one[:])
	}
}

var one = [8]byte{1}

// waker is the loop's own descriptor.
type waker poller

func (w *waker) ready(uint32) {
	p := (*poller)(w)
	var count [8]byte
	_, _ = unix.Read(p.wakeFD, count[:])
	p.woken.Store(false)
	p.mu.Lock()
	tasks := p.tasks
	p.tasks = nil
	p.mu.Unlock()
	for _, f := range tasks {
		p.do(f)
	}
}

// do contains what one task may do to the others.
func (p *poller) do(f func()) {
	defer p.contain(nil)
	f()
}
