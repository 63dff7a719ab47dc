package main

import (
	"bytes"
	"context"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/demo"
)

// TestDemo plays the whole demonstration: a healthy version promotes itself, a faulty one goes back by itself
// and promotes itself once it is repaired. Nobody but a faulty version makes a request fail. On a machine too
// slow for the load the time may be up before the last steps.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("plays for most of a minute")
	}
	tests := []struct {
		name  string
		fault demo.Fault
		say   []string
		rows  []string // of the table, one after another
		least int      // how many of them there are on any machine
	}{
		{
			name: "healthy", say: []string{"promoted to 25 %: in "}, least: 3,
			rows: []string{"as the file says", "healthy, step 1", "healthy, step 2", "healthy, step 3", "healthy, step 4", "rollback by hand"},
		},
		{
			name: "faulty", fault: demo.Fault{Errors: 0.25}, say: []string{"rolled back: since ", "while blue failed none of "}, least: 4,
			rows: []string{
				"as the file says", "errors=25%, step 1", "errors=25%, rolled back",
				"repaired, step 1", "repaired, step 2", "repaired, step 3", "repaired, step 4", "rollback by hand",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := runDemo(t.Context(), &out, 18*time.Second, tt.fault); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if t.Failed() {
					t.Log(out.String())
				}
			}()
			says(t, out.String(), tt.say...)
			rows := tableRows(out.String())
			if strings.Contains(out.String(), "the time is up") {
				tt.rows = tt.rows[:tt.least]
			}
			if len(rows) < len(tt.rows) {
				t.Fatalf("the table has %d rows, want %q", len(rows), tt.rows)
			}
			for i, name := range tt.rows {
				if rows[i]["phase"] != name {
					t.Errorf("row %d is %q, want %q", i, rows[i]["phase"], name)
				}
			}
			seemly(t, rows, tt.fault.Errors > 0)
		})
	}
}

func says(t *testing.T, out string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			t.Errorf("%q is not said", text)
		}
	}
}

// seemly checks failures and shares of every row.
func seemly(t *testing.T, rows []map[string]string, faulty bool) {
	t.Helper()
	for i, r := range rows {
		failed := number(t, r["failed"])
		switch {
		case faulty && i == 1:
			if failed == 0 {
				t.Errorf("row %d: no request failed", i)
			}
		case failed > 0:
			t.Errorf("row %d: %v requests failed", i, failed)
		}
		if weight, share := number(t, r["weight"]), number(t, r["share"]); (weight == 100 || weight == 0) && share != weight {
			t.Errorf("row %d: weight %v and share %v of blue", i, weight, share)
		}
	}
}

var tableRow = regexp.MustCompile(`(?m)^(?P<phase>\S.*?)\s{2,}(?P<weight>[\d.]+)/[\d.]+\s+(?P<share>[\d.]+)/[\d.]+\s+\d+\s+(?P<failed>\d+)\s`)

// tableRows is the end table, a map of columns a row; shares and weights are those of blue.
func tableRows(out string) []map[string]string {
	_, table, _ := strings.Cut(out, "\nphase ")
	var rows []map[string]string
	for _, m := range tableRow.FindAllStringSubmatch(table, -1) {
		row := map[string]string{}
		for i, name := range tableRow.SubexpNames() {
			row[name] = m[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestDemoInterrupted: who has seen enough gets the table of what was seen.
func TestDemoInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &untilSeen{text: "rollout start", seen: cancel}
	if err := runDemo(ctx, out, 15*time.Second, demo.Fault{}); err != nil {
		t.Fatal(err)
	}
	rows := tableRows(out.String())
	if len(rows) < 1 || rows[0]["share"] != "100.0" {
		t.Errorf("the table is %v:\n%s", rows, out.String())
	}
}

// untilSeen calls seen once the text was written.
type untilSeen struct {
	bytes.Buffer
	text string
	seen func()
}

func (u *untilSeen) Write(p []byte) (int, error) {
	n, err := u.Buffer.Write(p)
	if strings.Contains(u.String(), u.text) {
		u.seen()
	}
	return n, err
}

// TestDemoEndsInTime stops a rollout that has no time to end.
func TestDemoEndsInTime(t *testing.T) {
	var out bytes.Buffer
	if err := runDemo(t.Context(), &out, demoLeast, demo.Fault{}); err != nil {
		t.Fatal(err)
	}
	says(t, out.String(), "the time is up", "rollback by hand")
}

func TestDemoRefusesWhatItCannotShow(t *testing.T) {
	for _, args := range [][]string{{"demo", "--for", "1s"}, {"demo", "--fault", "errors=often"}, {"demo", "now"}} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, nil, &out, &errs, func(string) string { return "" }); code != exitUsage {
			t.Errorf("%v: exit code %d, want %d\n%s", args, code, exitUsage, errs.String())
		}
	}
}
