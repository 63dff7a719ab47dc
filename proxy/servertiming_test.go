package proxy

import (
	"testing"
	"time"
)

func TestServerTiming(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fields []string
		want   time.Duration
		told   bool
	}{
		{"plain", []string{"db;dur=12"}, 12 * time.Millisecond, true},
		{"decimals", []string{"db;dur=0.0125"}, 12500 * time.Nanosecond, true},
		{"more digits than nanoseconds", []string{"db;dur=1.0000009999"}, time.Millisecond, true},
		{"spaces and case", []string{"cache;dur=1 , db ; desc=x ; DUR = 2.5 "}, 2500 * time.Microsecond, true},
		{"quoted description", []string{`cache;desc="db;dur=9, db;dur=8";dur=1,db;dur=3`}, 3 * time.Millisecond, true},
		{"escaped quote", []string{`cache;desc="a\"b, db;dur=9",db;dur=4`}, 4 * time.Millisecond, true},
		{"quoted duration", []string{`db;dur="7"`}, 7 * time.Millisecond, true},
		{"several queries add up", []string{"db;dur=1,db;dur=2", "db;dur=3"}, 6 * time.Millisecond, true},
		{"zero", []string{"db;dur=0"}, 0, true},
		{"no duration", []string{"db"}, 0, false},
		{"other name", []string{"database;dur=1, DB;dur=1"}, 0, false},
		{"negative", []string{"db;dur=-1"}, 0, false},
		{"not a number", []string{"db;dur=NaN", "db;dur=1e3", "db;dur=", "db;dur=1.x", "db;dur=."}, 0, false},
		{"endless", []string{"db;dur=9999999999999"}, time.Hour, true},
		{"too long to be a number", []string{"db;dur=99999999999999999999999999"}, 0, false},
		{"the first of two counts", []string{"db;dur=1;dur=2"}, time.Millisecond, true},
		{"empty", []string{"", ",,;;,"}, 0, false},
		{"open quote", []string{`cache;desc="db;dur=1`}, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, told := serverTiming(tt.fields, "db"); got != tt.want || told != tt.told {
				t.Errorf("got %v, %v; want %v, %v", got, told, tt.want, tt.told)
			}
			if n := testing.AllocsPerRun(20, func() { serverTiming(tt.fields, "db") }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

func FuzzServerTiming(f *testing.F) {
	for _, s := range []string{"db;dur=12.5", `a;desc="x, db;dur=1\"", db;dur=3`, "db;dur=99999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, field string) {
		if d, told := serverTiming([]string{field}, "db"); d < 0 || d > longestTiming || d > 0 && !told {
			t.Errorf("%q: %v, %v", field, d, told)
		}
	})
}
