package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // time zones where the system has none, as in an empty container
)

// Window is a time of the week in which a rollout may go forward by itself. It goes by the clock on the
// wall of its zone, so it is where people expect it also when that clock is set forward or back. One that ends before it
// begins ends on the next day.
type Window struct {
	Text     string  // as written
	Days     [7]bool // on which it begins; by time.Weekday
	From, To int     // minutes since midnight; To up to 24 hours and never From
	Zone     string
	location *time.Location
}

const mostWindows = 32

// Open reports whether at is in the window. Its first minute is, its last is not.
func (w Window) Open(at time.Time) bool {
	local := at.In(w.location)
	minute, day := 60*local.Hour()+local.Minute(), local.Weekday()
	if w.From < w.To {
		return w.Days[day] && minute >= w.From && minute < w.To
	}
	return w.Days[day] && minute >= w.From || w.Days[(day+6)%7] && minute < w.To
}

// next is when the window opens after at, while it is closed.
func (w Window) next(at time.Time) time.Time {
	local := at.In(w.location)
	for day := -1; day <= 8; day++ {
		begin := time.Date(local.Year(), local.Month(), local.Day()+day, 0, w.From, 0, 0, w.location)
		if t, ok := w.around(begin, at); ok {
			return t
		}
	}
	return time.Time{} // not with a day in it
}

// around is the first minute after at in which the window is open, looking only near begin. Where the
// clock is set that day begin can be another moment than the one on the wall, or one of two.
func (w Window) around(begin, at time.Time) (time.Time, bool) {
	const near = 3 * time.Hour
	_, before := begin.Add(-near).Zone()
	_, after := begin.Add(near).Zone()
	if before == after {
		return begin, begin.After(at) && w.Open(begin)
	}
	for t := begin.Add(-near); t.Before(begin.Add(near)); t = t.Add(time.Minute) {
		if t.After(at) && w.Open(t) {
			return t, true
		}
	}
	return time.Time{}, false
}

// InWindow reports whether the rollout may go forward by itself at a time. Without windows it always may.
func (r *Rollout) InWindow(at time.Time) bool {
	return len(r.Windows) == 0 || slices.ContainsFunc(r.Windows, func(w Window) bool { return w.Open(at) })
}

// NextWindow is when the next window opens after at, in the zone of that window, while none is open.
func (r *Rollout) NextWindow(at time.Time) time.Time {
	var first time.Time
	for _, w := range r.Windows {
		if t := w.next(at); !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

func (p *parser) windows(n *node) []Window {
	var all []Window
	lines := map[string]int{}
	for _, item := range p.list(n) {
		s := p.text(item)
		if s == "" {
			continue
		}
		w, f := parseWindow(s)
		if f != nil {
			p.spoil(item, *f)
			continue
		}
		p.once(item, s, lines)
		all = append(all, w)
	}
	if n != nil && !n.bad && len(n.items) == 0 {
		p.report(n, flaw{"lists no window", "remove it if every time is good"})
	}
	p.atMost(n, len(all), mostWindows, "windows")
	return all
}

// ParseWindow reads a window as the file has it.
func ParseWindow(s string) (Window, error) {
	w, f := parseWindow(s)
	if f != nil {
		return Window{}, fmt.Errorf("window: %s; %s", f.msg, f.hint)
	}
	return w, nil
}

const windowHint = `write it like "Mon-Thu 09:00-16:00 Europe/Zurich"`

// parseWindow reads days, times and a zone: "Mon-Thu 09:00-16:00 Europe/Zurich", "Sat,Sun 22:00-04:00 UTC".
func parseWindow(s string) (Window, *flaw) {
	words := strings.Fields(s)
	if len(words) == 2 {
		return Window{}, &flaw{quote(s) + " has no time zone", windowHint}
	}
	if len(words) != 3 {
		return Window{}, &flaw{quote(s) + " is not a window", windowHint}
	}
	w := Window{Text: s, Zone: words[2]}
	var f *flaw
	if w.Days, f = windowDays(words[0]); f != nil {
		return Window{}, f
	}
	if w.From, w.To, f = windowTimes(words[1]); f != nil {
		return Window{}, f
	}
	location, err := time.LoadLocation(w.Zone)
	if err != nil || w.Zone == "Local" {
		return Window{}, &flaw{quote(w.Zone) + " is not a time zone", "write one of the IANA names, such as Europe/Zurich or UTC"}
	}
	w.location = location
	return w, nil
}

// weekdays in the order of time.Weekday.
var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// windowDays reads Mon, Mon-Thu, Sat,Sun or a mixture of them.
func windowDays(s string) (days [7]bool, f *flaw) {
	for part := range strings.SplitSeq(strings.ToLower(s), ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, last := slices.Index(weekdays, from), slices.Index(weekdays, to)
		if first < 0 || last < 0 {
			return days, &flaw{quote(s) + " are not days", "write them like Mon, Mon-Thu or Sat,Sun"}
		}
		for d := first; ; d = (d + 1) % 7 {
			days[d] = true
			if d == last {
				break
			}
		}
	}
	return days, nil
}

func windowTimes(s string) (from, to int, f *flaw) {
	a, b, _ := strings.Cut(s, "-")
	from, okFrom := minutes(a)
	to, okTo := minutes(b)
	switch {
	case !okFrom || !okTo || from == 24*60:
		return 0, 0, &flaw{quote(s) + " are not two times of a day", "write them like 09:00-16:00"}
	case from == to:
		return 0, 0, &flaw{quote(s) + " begins when it ends", "write 00:00-24:00 for a whole day"}
	}
	return from, to, nil
}

// minutes since midnight of 09:00, up to 24:00.
func minutes(s string) (int, bool) {
	if len(s) != 5 || s[2] != ':' || !isDigits(s[:2]) || !isDigits(s[3:]) {
		return 0, false
	}
	h, _ := strconv.Atoi(s[:2]) // digits
	m, _ := strconv.Atoi(s[3:])
	return 60*h + m, m < 60 && (h < 24 || h == 24 && m == 0)
}
