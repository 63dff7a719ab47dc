package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
	"github.com/switchback-proxy/switchback/store"
	"go.uber.org/zap"
)

// reload is a valid file on its way into force.
type reload struct {
	config  *config.Config
	at      time.Time          // when it was offered
	cause   cause              // who offered it
	next    *router.Table      // what would be in force; new targets are probed in it. Nil: not waiting
	starved []*router.Pool     // of next: what it waits for
	refused bool               // by the store: tried again every second
	callers []chan<- reloaded  // told what became of it
	stop    context.CancelFunc // ends the wait; nil: none runs
}

// reloaded is what became of a file.
type reloaded struct {
	answer api.Reload
	err    error
}

// fileStatus is what people are told of the file.
type fileStatus struct {
	loadedAt time.Time // when the one in force came into force
	good     bool      // the newest one is in force, or valid and waiting
	digest   string    // of the newest one if it is not in force
	err      string    // why it is not
}

// Apply puts a file in force and returns when it is. Every weight it moves is durable by then.
//
// A file that would give traffic to a pool with no target up waits until one is; when ctx ends first,
// the error is pool-not-ready and the file goes on waiting. A newer file replaces one that waits. A file
// that the store keeps from coming into force is an error as well and is tried again. Any other error
// changes nothing. Errors are *api.Error.
func (l *Loop) Apply(ctx context.Context, c *config.Config) (api.Reload, error) {
	done := make(chan reloaded, 1)
	if err := l.do(ctx, func() { l.offer(c, causeOf(ctx), done) }); err != nil {
		return api.Reload{}, problem(err)
	}
	select {
	case r := <-done:
		return r.answer, problem(r.err)
	case <-ctx.Done():
	case <-l.ended:
		return api.Reload{}, problem(errEnded)
	}
	select {
	case r := <-done:
		return r.answer, problem(r.err)
	default:
		return api.Reload{}, l.view.Load().notYet("the reload goes on waiting")
	}
}

// Offer hands a file over like Apply and does not wait for targets. What becomes of it is logged and
// shown by Overview.
func (l *Loop) Offer(ctx context.Context, c *config.Config) error {
	return l.do(ctx, func() { l.offer(c, causeOf(ctx), nil) })
}

// Invalid records that the newest file is not valid, or not readable: digest "". It is logged once. The
// configuration in force stays; an older file that waits is given up, for no file says so any more. Of ctx only
// Signalled counts.
func (l *Loop) Invalid(ctx context.Context, digest string, err error) {
	_ = l.do(context.Background(), func() { // after Run nobody asks any more
		l.giveUp("a newer file, which is not valid, replaced it")
		l.fail(digest, l.blamed(causeOf(ctx)), err)
		l.publish()
	})
}

// offer makes a file the newest one. A nil caller wants no answer.
func (l *Loop) offer(c *config.Config, by cause, caller chan<- reloaded) {
	if l.reload == nil || l.reload.config.Digest != c.Digest {
		l.giveUp("a newer file replaced it")
		l.reload = &reload{config: c, cause: l.blamed(by)}
	}
	if caller != nil {
		l.reload.callers = append(l.reload.callers, caller)
	}
	if c.Digest == l.config.Digest {
		l.file.good, l.file.digest, l.file.err = true, "", ""
		l.finish(reloaded{answer: api.Reload{Digest: c.Digest, Moved: []api.Change{}}})
		return
	}
	l.attempt()
}

// attempt tries to put the newest file in force: at once, or after something changed that it waits for.
func (l *Loop) attempt() {
	r := l.reload
	if r == nil {
		return
	}
	r.halt()
	if !r.refused {
		r.at = l.o.Now()
	}
	var p *plan
	err := store.ErrConflict
	for i := 0; i < attempts && errors.Is(err, store.ErrConflict); i++ {
		if p, err = l.plan(r.config, r.at, r.prev(l.table)); err != nil {
			break
		}
		if starved := starved(l.table, p.table); len(starved) > 0 {
			l.await(r, p.table, starved)
			return
		}
		err = l.persist(p)
	}
	switch {
	case err == nil:
		l.arrive(r, p)
	case errors.Is(err, errStore) || errors.Is(err, store.ErrConflict):
		l.postpone(r, err)
	default:
		l.fail(r.config.Digest, r.cause, err)
		l.finish(reloaded{err: err})
	}
}

// prev is the table whose targets' health the next one takes over. While a file waits, that is its own
// table from before: it shares every target with the one in force and has the new ones.
func (r *reload) prev(inForce *router.Table) *router.Table {
	if r.next != nil {
		return r.next
	}
	return inForce
}

// halt ends the wait. The targets found so far stay.
func (r *reload) halt() {
	if r.stop != nil {
		r.stop()
		r.stop = nil
	}
}

// await tries again when the starved pools may have a target up.
func (l *Loop) await(r *reload, next *router.Table, pools []*router.Pool) {
	if r.next == nil {
		l.log.Info("configuration waits", zap.String("digest", r.config.Digest), zap.String("waiting", sayStarved(pools)))
		l.fileHappened(api.EventConfigWaiting, r.cause, l.config.Digest, r.config.Digest, "the newest configuration waits: "+sayStarved(pools), nil)
	}
	r.next, r.starved, r.refused = next, pools, false
	l.file.good, l.file.digest, l.file.err = true, "", ""
	current := l.table
	l.o.Prober.Sync(next, current) // the one in force says how its targets are probed
	ctx, cancel := context.WithCancel(l.ctx)
	r.stop = cancel
	l.wg.Go(func() {
		if l.o.Prober.Wait(ctx, func() bool { return len(starved(current, next)) == 0 }) == nil {
			_ = l.do(ctx, l.attempt) // ctx ends when somebody else tried, or nobody needs to
		}
	})
	l.publish()
}

// arrive puts the plan of a file in force.
func (l *Loop) arrive(r *reload, p *plan) {
	before, was := l.table, l.config.Digest
	answer := api.Reload{Digest: p.config.Digest, Changed: true, Moved: []api.Change{}}
	r.next = nil
	l.commit(p)
	for _, d := range p.drafts {
		if c, moved := l.moved(before, d.service); moved {
			answer.Moved = append(answer.Moved, c)
		}
	}
	l.log.Info("configuration in force", zap.String("digest", p.config.Digest))
	l.fileHappened(api.EventConfigLoaded, r.cause, was, p.config.Digest, "the configuration is in force", nil)
	l.finish(reloaded{answer: answer})
}

// postpone keeps a file that the store refuses for the next try.
func (l *Loop) postpone(r *reload, err error) {
	r.refused = true
	err = fmt.Errorf("%w; tried again until it can be", err)
	l.fail(r.config.Digest, r.cause, err)
	r.answer(reloaded{err: err})
	l.publish()
}

// giveUp drops the file that is on its way, if there is one.
func (l *Loop) giveUp(why string) {
	if l.reload == nil {
		return
	}
	l.finish(reloaded{err: l.view.Load().notYet(why)})
}

// finish ends a reload: whatever became of it, it is not on its way any more.
func (l *Loop) finish(done reloaded) {
	r := l.reload
	l.reload = nil
	r.halt()
	if r.next != nil {
		l.o.Prober.Sync(l.table)
	}
	l.publish()
	r.answer(done)
}

func (r *reload) answer(done reloaded) {
	for _, c := range r.callers {
		c <- done
	}
	r.callers = nil
}

// fail records why the newest file is not in force, and logs it once.
func (l *Loop) fail(digest string, by cause, err error) {
	repeated := l.file.err == err.Error() && (digest == "" || digest == l.file.digest)
	if !repeated {
		l.file.digest, l.file.err = digest, err.Error()
		l.log.Warn("configuration not in force", zap.String("digest", digest), zap.Error(err))
		l.fileHappened(api.EventConfigRefused, by, l.config.Digest, digest, "the newest configuration is not in force", err)
	}
	l.file.good = false
}

// Reload reads the file now and puts it in force, like Apply.
func (l *Loop) Reload(ctx context.Context, call api.Call) (api.Reload, error) {
	if call.DryRun {
		return l.foreseeReload(ctx)
	}
	if answer, found, err := l.replayReload(ctx, call); found || err != nil {
		return answer, problem(err)
	}
	answer, err := l.reread(ctx, call)
	if err == nil {
		_ = l.do(ctx, func() { l.keepAnswer(reloads, call, l.o.Now(), 0, answer) }) // it is in force all the same
	}
	return answer, err
}

func (l *Loop) reread(ctx context.Context, call api.Call) (api.Reload, error) {
	l.log.Info("reload asked for", zap.String("by", call.By), zap.String("from", call.From))
	ctx = because(ctx, cause{by: call.By, from: call.From, reason: call.Reason})
	asked := causeOf(ctx)
	l.asked.Store(&asked)
	defer l.asked.CompareAndSwap(&asked, nil)
	c, err := l.o.Reread(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return api.Reload{}, problem(ctx.Err())
	case err != nil:
		l.Invalid(ctx, "", err)
		return api.Reload{}, api.Problem(api.TypeInvalid, "%v", err)
	}
	return l.Apply(ctx, c)
}

// ConfigStatus says whether the newest file is in force or waits as a valid one, when the one in force
// came into force, and its digest.
func (l *Loop) ConfigStatus() (ok bool, at time.Time, digest string) {
	v := l.view.Load()
	return v.file.good, v.file.loadedAt, v.config.Digest
}
