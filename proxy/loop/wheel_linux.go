package loop

import "time"

// The wheel's hands move every tick; what is farther away than its circumference is looked at on the way.
const (
	tick  = 250 * time.Millisecond
	slots = 256
)

// timer is a connection's place in the wheel.
type timer struct {
	next, prev *client
	at         int64 // due, in ticks; 0: not at all
	slot       int64 // in ticks, where it is linked; 0: nowhere
}

// wheel finds the connections whose time is over. Moving a deadline further away, which is what nearly every
// request does, costs two stores: it is noticed when the hand comes to where it was.
type wheel struct {
	lists [slots]*client
	hand  int64 // the last tick looked at
	armed int   // linked timers
}

func ticks(t time.Time) int64 { return t.UnixNano() / int64(tick) }

// set makes c due at a tick, 0: never. now is the present tick.
func (w *wheel) set(c *client, at, now int64) {
	if at == 0 {
		c.timer.at = 0
		return
	}
	c.timer.at = max(at, now+1)
	if c.timer.slot == 0 || c.timer.slot > c.timer.at {
		w.unlink(c)
		w.link(c, now)
	}
}

func (w *wheel) link(c *client, now int64) {
	slot := min(c.timer.at, max(now, w.hand)+slots-1)
	slot = max(slot, w.hand+1)
	c.timer.slot = slot
	head := &w.lists[slot%slots]
	c.timer.prev, c.timer.next = nil, *head
	if *head != nil {
		(*head).timer.prev = c
	}
	*head = c
	w.armed++
}

func (w *wheel) unlink(c *client) {
	t := &c.timer
	if t.slot == 0 {
		return
	}
	if t.prev != nil {
		t.prev.timer.next = t.next
	} else {
		w.lists[t.slot%slots] = t.next
	}
	if t.next != nil {
		t.next.timer.prev = t.prev
	}
	t.next, t.prev, t.slot = nil, nil, 0
	w.armed--
}

// turn moves the hand towards the present and calls due for those whose time is over, but for so many at most. Where
// there are more, the hand does not arrive.
func (w *wheel) turn(now int64, most int, due func(*client)) {
	if now-w.hand > slots {
		w.hand = now - slots // each list once
	}
	for ; w.hand < now; w.hand++ {
		next := w.hand + 1
		list := &w.lists[next%slots]
		for *list != nil {
			if most == 0 {
				return
			}
			c := *list
			w.unlink(c)
			switch at := c.timer.at; {
			case at == 0:
			case at <= next:
				c.timer.at = 0
				most--
				due(c)
			default:
				w.link(c, w.hand) // elsewhere
			}
		}
	}
}
