package loop

import "time"

const (
	// idlePerTarget is how many unused connections one loop keeps to one target.
	idlePerTarget = 256
	sweepTicks    = int64(time.Second / tick)
)

// endpoint is where a connection leads.
type endpoint struct {
	pool *Upstream
	addr string
}

// idle is the unused connections of a loop. They are still watched: one that ends, or speaks unasked, leaves.
type idle struct {
	lists map[endpoint]*idleList
	n     int
}

// idleList has the one used last at its end.
type idleList struct {
	kept []*backend
	gone bool // it was empty for long, and its endpoint has another one or none
}

func (i *idle) take(to endpoint) *backend {
	l := i.lists[to]
	if l == nil || len(l.kept) == 0 {
		return nil
	}
	b := l.kept[len(l.kept)-1]
	i.remove(b)
	return b
}

// put keeps a connection for the next request.
func (i *idle) put(b *backend) {
	if b.list == nil || b.list.gone {
		b.list = i.list(b.to)
	}
	l := b.list
	if len(l.kept) >= idlePerTarget || b.to.pool.retired.Load() {
		b.close()
		return
	}
	b.kept, b.since, b.place.idle = true, b.p.ticks, len(l.kept)
	l.kept = append(l.kept, b)
	i.n++
}

// list is that of an endpoint.
func (i *idle) list(to endpoint) *idleList {
	l := i.lists[to]
	if l == nil {
		l = &idleList{}
		i.lists[to] = l
	}
	return l
}

// remove takes one out, wherever it stands.
func (i *idle) remove(b *backend) {
	kept := b.list.kept
	last := len(kept) - 1
	kept[b.place.idle] = kept[last]
	kept[b.place.idle].place.idle = b.place.idle
	kept[last] = nil
	b.list.kept = kept[:last]
	i.n--
}

// sweep closes what has been idle for too long, or belongs to a pool that is no more.
func (i *idle) sweep(p *poller) {
	for to, l := range i.lists {
		old := int64(0)
		if to.pool.Idle > 0 {
			old = p.ticks - int64(to.pool.Idle/tick)
		}
		for k := len(l.kept) - 1; k >= 0; k-- {
			if b := l.kept[k]; to.pool.retired.Load() || b.since < old {
				i.remove(b)
				b.close()
			}
		}
		if len(l.kept) == 0 {
			l.gone = true
			delete(i.lists, to)
		}
	}
}

// clear closes all.
func (i *idle) clear() {
	for to, l := range i.lists {
		for _, b := range l.kept {
			b.close()
		}
		delete(i.lists, to)
	}
	i.n = 0
}
