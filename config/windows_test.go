package config

import (
	"testing"
	"time"
)

func windowOf(t *testing.T, s string) Window {
	t.Helper()
	w, f := parseWindow(s)
	if f != nil {
		t.Fatalf("%s: %s; %s", s, f.msg, f.hint)
	}
	return w
}

// 2026-03-29 the clocks of Zurich go from 02:00 to 03:00, 2026-10-25 from 03:00 to 02:00.
func TestWindowOpen(t *testing.T) {
	const zurich = " Europe/Zurich"
	tests := []struct {
		window, at string
		want       bool
	}{
		{"Mon-Thu 09:00-16:00" + zurich, "2026-01-05T08:00:00Z", true}, // Monday, winter
		{"Mon-Thu 09:00-16:00" + zurich, "2026-01-05T07:59:59Z", false},
		{"Mon-Thu 09:00-16:00" + zurich, "2026-01-05T14:59:59Z", true},
		{"Mon-Thu 09:00-16:00" + zurich, "2026-01-05T15:00:00Z", false},
		{"Mon-Thu 09:00-16:00" + zurich, "2026-07-06T07:00:00Z", true}, // Monday, summer
		{"Mon-Thu 09:00-16:00" + zurich, "2026-01-09T10:00:00Z", false},
		{"Fri-Mon 00:00-24:00 UTC", "2026-01-09T00:00:00Z", true},
		{"Fri-Mon 00:00-24:00 UTC", "2026-01-12T23:59:59Z", true},
		{"Fri-Mon 00:00-24:00 UTC", "2026-01-13T00:00:00Z", false},
		{"Sat,Sun 22:00-04:00 UTC", "2026-01-10T23:00:00Z", true},
		{"Sat,Sun 22:00-04:00 UTC", "2026-01-12T03:59:00Z", true}, // began on Sunday
		{"Sat,Sun 22:00-04:00 UTC", "2026-01-12T04:00:00Z", false},
		{"Sat,Sun 22:00-04:00 UTC", "2026-01-10T03:00:00Z", false}, // would have begun on Friday
		{"Sun 02:30-03:30" + zurich, "2026-03-29T00:59:00Z", false},
		{"Sun 02:30-03:30" + zurich, "2026-03-29T01:00:00Z", true}, // 02:30 is not on the wall that day
		{"Sun 02:30-03:30" + zurich, "2026-03-29T01:30:00Z", false},
		{"Sun 02:30-03:30" + zurich, "2026-10-25T00:30:00Z", true}, // the first 02:30
		{"Sun 02:30-03:30" + zurich, "2026-10-25T01:00:00Z", false},
		{"Sun 02:30-03:30" + zurich, "2026-10-25T01:30:00Z", true}, // the second
		{"Mon 09:00-10:00 Asia/Tokyo", "2026-01-05T00:30:00Z", true},
		{"Mon 09:00-10:00 America/Los_Angeles", "2026-01-05T17:00:00Z", true},
	}
	for _, tt := range tests {
		at, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := windowOf(t, tt.window).Open(at); got != tt.want {
			t.Errorf("%s at %s: open %v, want %v", tt.window, tt.at, got, tt.want)
		}
	}
}

func TestNextWindow(t *testing.T) {
	const zurich = " Europe/Zurich"
	tests := []struct {
		windows  []string
		at, want string
	}{
		{[]string{"Mon-Thu 09:00-16:00" + zurich}, "2026-01-08T15:00:00Z", "2026-01-12T08:00:00Z"}, // Thursday evening
		{[]string{"Mon-Thu 09:00-16:00" + zurich}, "2026-01-05T07:00:00Z", "2026-01-05T08:00:00Z"},
		{[]string{"Mon-Thu 09:00-16:00" + zurich}, "2026-03-26T15:00:00Z", "2026-03-30T07:00:00Z"}, // over the change
		{[]string{"Mon-Thu 09:00-16:00" + zurich}, "2026-10-22T14:00:00Z", "2026-10-26T08:00:00Z"},
		{[]string{"Mon 09:00-10:00 UTC"}, "2026-01-05T10:00:00Z", "2026-01-12T09:00:00Z"},
		{[]string{"Mon 09:00-10:00 UTC", "Wed 07:00-08:00 UTC"}, "2026-01-05T10:00:00Z", "2026-01-07T07:00:00Z"},
		{[]string{"Sun 02:30-03:30" + zurich}, "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"}, // 03:00, as 02:30 is left out
		{[]string{"Sun 02:30-03:00" + zurich}, "2026-03-28T12:00:00Z", "2026-04-05T00:30:00Z"}, // left out altogether
		{[]string{"Sun 02:30-03:30" + zurich}, "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
		{[]string{"Sun 02:00-02:30" + zurich}, "2026-10-25T00:45:00Z", "2026-10-25T01:00:00Z"}, // the hour comes twice
		{[]string{"Sat 22:00-04:00 UTC"}, "2026-01-11T04:00:00Z", "2026-01-17T22:00:00Z"},
	}
	for _, tt := range tests {
		var r Rollout
		for _, w := range tt.windows {
			r.Windows = append(r.Windows, windowOf(t, w))
		}
		at, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		if r.InWindow(at) {
			t.Errorf("%v is open at %s", tt.windows, tt.at)
		}
		if got := r.NextWindow(at).UTC().Format(time.RFC3339); got != tt.want {
			t.Errorf("%v after %s: %s, want %s", tt.windows, tt.at, got, tt.want)
		}
	}
}

// TestNextWindowIsTheFirstOpenMinute walks through a year of zones that change their clocks in odd ways and
// compares with looking at every minute.
func TestNextWindowIsTheFirstOpenMinute(t *testing.T) {
	for _, text := range []string{
		"Sun 01:45-02:15 Europe/Zurich", "Sat-Sun 23:30-00:30 America/Sao_Paulo", "Sun 01:40-02:10 Australia/Lord_Howe",
		"Fri 00:00-24:00 Africa/Cairo", "Mon-Sun 00:00-00:01 Asia/Beirut", "Wed 12:00-11:59 UTC",
	} {
		w := windowOf(t, text)
		r := Rollout{Windows: []Window{w}}
		begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		end := begin.AddDate(1, 0, 0)
		// From the end to the beginning the first open minute after each one is known.
		var first time.Time
		for at := end; at.After(begin); at = at.Add(-time.Minute) {
			open := w.Open(at)
			if !open && !first.IsZero() && at.Minute()%15 == 0 {
				if got := r.NextWindow(at); !got.Equal(first) {
					t.Fatalf("%s after %v: %v, want %v", text, at, got, first)
				}
			}
			if open {
				first = at
			}
		}
	}
}

func TestPresets(t *testing.T) {
	tests := []struct{ plan, want string }{
		{"linear10every1m", "10 % 1m, 20 % 1m, 30 % 1m, 40 % 1m, 50 % 1m, 60 % 1m, 70 % 1m, 80 % 1m, 90 % 1m, 100 % 1m"},
		{"linear30every90s", "30 % 1m30s, 60 % 1m30s, 90 % 1m30s, 100 % 1m"},
		{"linear12.5every1h30m", "12.5 % 1h30m, 25 % 1h30m, 37.5 % 1h30m, 50 % 1h30m, 62.5 % 1h30m, 75 % 1h30m, 87.5 % 1h30m, 100 % 1m"},
		{"canary10for5m", "10 % 5m, 100 % 1m"},
		{"canary0.5for30s", "0.5 % 30s, 100 % 1m"},
		{"bluegreen", "100 % 1m"},
	}
	for _, tt := range tests {
		c, err := Parse("", []byte("services: {web: {pools: {blue: [http://10.0.0.1], green: [http://10.0.0.2]}, weights: {blue: 100}, rollout: {deadline: 2h, steps: "+tt.plan+"}}}"))
		if err != nil {
			t.Errorf("%s: %v", tt.plan, err)
			continue
		}
		got := ""
		for i, s := range c.Services[0].Rollout.Steps {
			if i > 0 {
				got += ", "
			}
			got += s.Weight.String() + " " + brief(s.For)
		}
		if got != tt.want {
			t.Errorf("%s is %s, want %s", tt.plan, got, tt.want)
		}
	}
}
