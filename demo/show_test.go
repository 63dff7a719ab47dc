package demo

import (
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
)

// window makes one with the given requests by pool, all equally fast.
func window(took time.Duration, failed int, pools map[string]int) Window {
	w := Window{Elapsed: time.Second}
	for pool, n := range pools {
		for range n {
			w.Record(pool, failed > 0, took)
			failed--
		}
	}
	return w
}

func TestLine(t *testing.T) {
	order := []string{"blue", "green"}
	tests := []struct {
		name string
		at   time.Duration
		w    Window
		want string
	}{
		{
			"split", 12 * time.Second, window(1200*time.Microsecond, 0, map[string]int{"blue": 75, "green": 25}),
			" 12s  blue  75 % ███████▌    green  25 % ██▌          100 rps    0 errors  p50 1.2ms  p99 1.2ms",
		},
		{
			"all", 600 * time.Millisecond, window(40*time.Millisecond, 3, map[string]int{"green": 100}),
			"  1s  blue   0 %             green 100 % ██████████   100 rps    3 errors  p50 40ms   p99 40ms",
		},
		{
			"nothing", 0,
			Window{},
			"  0s  blue   0 %             green   0 %                0 rps    0 errors  p50 -      p99 -",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Line(tt.at, order, tt.w); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
	missed := Window{Missed: 7}
	if got := Line(0, order, missed); !strings.HasSuffix(got, "  7 not sent") {
		t.Errorf("missed requests are not shown: %q", got)
	}
}

func TestWriteTable(t *testing.T) {
	rows := []Row{
		{"blue alone", api.Weights{"blue": 100}, window(time.Millisecond, 0, map[string]int{"blue": 1000})},
		{"a quarter", api.Weights{"blue": 75, "green": 25}, window(time.Millisecond, 2, map[string]int{"blue": 75, "green": 25})},
	}
	var b strings.Builder
	if err := WriteTable(&b, []string{"blue", "green"}, rows); err != nil {
		t.Fatal(err)
	}
	want := `phase       weights blue/green   observed  requests  failed    p50    p99
blue alone               100/0  100.0/0.0      1000       0  1.0ms  1.0ms
a quarter                75/25  75.0/25.0       100       2  1.0ms  1.0ms
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestBar(t *testing.T) {
	tests := []struct {
		share float64
		want  string
	}{
		{-1, ""}, {0, ""}, {0.01, "▏"}, {0.0625, "▋"}, {0.5, "█████"}, {0.75, "███████▌"}, {1, "██████████"}, {2, "██████████"},
	}
	for _, tt := range tests {
		if got := strings.TrimRight(bar(tt.share), " "); got != tt.want {
			t.Errorf("bar(%v) = %q, want %q", tt.share, got, tt.want)
		}
	}
}

func TestShort(t *testing.T) {
	tests := []struct {
		d    time.Duration
		want string
	}{
		{0, "-"},
		{340 * time.Microsecond, "340µs"},
		{1234 * time.Microsecond, "1.2ms"},
		{45 * time.Millisecond, "45ms"},
		{1500 * time.Millisecond, "1.5s"},
		{12 * time.Second, "12s"},
	}
	for _, tt := range tests {
		if got := short(tt.d); got != tt.want {
			t.Errorf("short(%s) = %q, want %q", tt.d, got, tt.want)
		}
	}
}

func TestWindowQuantile(t *testing.T) {
	var w Window
	for i := range 1000 {
		w.Record("blue", false, time.Duration(i+1)*time.Millisecond)
	}
	for _, q := range []float64{0.01, 0.5, 0.95, 0.99, 1} {
		exact := time.Duration(q*1000) * time.Millisecond
		if got := w.Quantile(q); got < exact || float64(got) > float64(exact)*1.051 {
			t.Errorf("Quantile(%v) = %s, want %s to 5 %% more", q, got, exact)
		}
	}
	w.Record("blue", false, 10*time.Minute) // past the last bucket
	if got := w.Quantile(1); got < 30*time.Second {
		t.Errorf("Quantile(1) = %s after a request of ten minutes", got)
	}
}

func TestWindowAdd(t *testing.T) {
	a, b := window(time.Millisecond, 1, map[string]int{"blue": 3}), window(time.Second, 0, map[string]int{"green": 1})
	if p := a.PoolQuantile("blue", 1); p < time.Millisecond || a.PoolQuantile("green", 1) != 0 {
		t.Errorf("p100 of blue %s, of green %s", p, a.PoolQuantile("green", 1))
	}
	var sum Window
	sum.Add(a)
	sum.Add(b)
	sum.Add(Window{Missed: 2})
	if sum.Elapsed != 2*time.Second || sum.Total != (Count{4, 1}) || sum.Missed != 2 || sum.Share("green") != 0.25 || sum.Rate() != 2 {
		t.Errorf("sum = %v %+v missed %d green %v rate %v", sum.Elapsed, sum.Total, sum.Missed, sum.Share("green"), sum.Rate())
	}
	if blue, green := sum.PoolQuantile("blue", 1), sum.PoolQuantile("green", 1); blue > 2*time.Millisecond || green < time.Second {
		t.Errorf("p100 of blue %s, of green %s", blue, green)
	}
	if a.Total != (Count{3, 1}) || len(a.Pools) != 1 {
		t.Errorf("adding changed the window that was added: %+v", a.Total)
	}
}
