package demo

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/switchback-proxy/switchback/admin/api"
)

// barWidth is how many cells a bar of 100 % takes.
const barWidth = 10

// Line shows one window in one line without a line end. Pools come in the given order, with the share of
// the answered requests each got; the columns of lines with the same pools stand below each other:
//
//	12s  blue  75 % ███████▌    green  25 % ██▌          100 rps    0 errors  p50 1.2ms  p99 4.1ms
func Line(at time.Duration, order []string, w Window) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%4s", strconv.Itoa(int(at.Round(time.Second).Seconds()))+"s")
	for _, pool := range order {
		share := w.Share(pool)
		fmt.Fprintf(&b, "  %s %3.0f %% %s", pool, share*100, bar(share))
	}
	fmt.Fprintf(&b, "  %4.0f rps  %3d errors  p50 %-6s p99 %s",
		w.Rate(), w.Total.Failed, short(w.Quantile(0.50)), short(w.Quantile(0.99)))
	if w.Missed > 0 {
		fmt.Fprintf(&b, "  %d not sent", w.Missed)
	}
	return b.String()
}

func bar(share float64) string { return Bar(share, barWidth) }

// Bar draws a share, 0 to 1, in eighths of a cell, padded with blanks to a width in cells.
func Bar(share float64, width int) string {
	eighths := int(math.Round(min(max(share, 0), 1) * float64(width) * 8))
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return s + strings.Repeat(" ", width-utf8.RuneCountInString(s))
}

// Short writes a latency with two significant digits, such as 340µs, 1.2ms, 45ms or 1.5s; 0 is "-".
func Short(d time.Duration) string { return short(d) }

func short(d time.Duration) string {
	unit := time.Microsecond
	switch {
	case d == 0:
		return "-"
	case d >= time.Second:
		unit = time.Second
	case d >= time.Millisecond:
		unit = time.Millisecond
	}
	n := float64(d) / float64(unit)
	digits := 0
	if n < 10 && unit != time.Microsecond {
		digits = 1
	}
	suffix := map[time.Duration]string{time.Second: "s", time.Millisecond: "ms", time.Microsecond: "µs"}[unit]
	return strconv.FormatFloat(n, 'f', digits, 64) + suffix
}

// Row is one phase of a demonstration.
type Row struct {
	Phase   string
	Weights api.Weights // that were set, in percent
	Window  Window
}

// WriteTable writes the rows below a head, numbers to the right. Weights and shares are percent in the
// given order of pools.
func WriteTable(w io.Writer, order []string, rows []Row) error {
	names := strings.Join(order, "/")
	cells := [][]string{{"phase", "weights " + names, "observed", "requests", "failed", "p50", "p99"}}
	for _, r := range rows {
		weights, shares := make([]string, len(order)), make([]string, len(order))
		for i, pool := range order {
			weights[i] = strconv.FormatFloat(r.Weights[pool], 'f', -1, 64)
			shares[i] = strconv.FormatFloat(r.Window.Share(pool)*100, 'f', 1, 64)
		}
		cells = append(cells, []string{
			r.Phase, strings.Join(weights, "/"), strings.Join(shares, "/"),
			strconv.FormatInt(r.Window.Total.Requests, 10), strconv.FormatInt(r.Window.Total.Failed, 10),
			short(r.Window.Quantile(0.50)), short(r.Window.Quantile(0.99)),
		})
	}
	_, err := io.WriteString(w, align(cells))
	return err
}

// align pads the first column on its right and the others on their left.
func align(cells [][]string) string {
	widths := make([]int, len(cells[0]))
	for _, row := range cells {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	var b strings.Builder
	for _, row := range cells {
		for i, c := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
			if i == 0 {
				b.WriteString(c + pad)
				continue
			}
			b.WriteString("  " + pad + c)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
