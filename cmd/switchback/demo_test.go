package main

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/demo"
)

// TestDemo plays the whole demonstration in a short time: nobody but a faulty version makes a request
// fail, and the shares are those of the weights.
func TestDemo(t *testing.T) {
	tests := []struct {
		name   string
		fault  demo.Fault
		faulty int // the row in which the new version fails
		rows   int
	}{
		{"healthy", demo.Fault{}, -1, 6},
		{"faulty", demo.Fault{Errors: 0.5}, 2, 7},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			if err := runDemo(t.Context(), &out, 7*time.Second, tt.fault); err != nil {
				t.Fatal(err)
			}
			rows := tableRows(out.String())
			if len(rows) != tt.rows {
				t.Fatalf("the table has %d rows, want %d:\n%s", len(rows), tt.rows, out.String())
			}
			for i, r := range rows {
				if failed := r["failed"] != "0"; failed != (i == tt.faulty) {
					t.Errorf("row %d: %s requests failed\n%s", i, r["failed"], out.String())
				}
				if (r["weight"] == "100" || r["weight"] == "0") && r["share"] != r["weight"]+".0" {
					t.Errorf("row %d: weight %s and share %s of blue\n%s", i, r["weight"], r["share"], out.String())
				}
			}
		})
	}
}

// TestDemoInterrupted: who has seen enough gets the table of what was seen.
func TestDemoInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &untilSeen{text: "weights 90/10", seen: cancel}
	if err := runDemo(ctx, out, 7*time.Second, demo.Fault{}); err != nil {
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

var tableRow = regexp.MustCompile(`(?m)^\S.*?\s{2,}(?P<weight>[\d.]+)/[\d.]+\s+(?P<share>[\d.]+)/[\d.]+\s+\d+\s+(?P<failed>\d+)\s`)

// tableRows is the end table, a map of columns a row; shares and weights are those of blue.
func tableRows(out string) []map[string]string {
	_, table, _ := strings.Cut(out, "phase ")
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

func TestDemoRefusesWhatItCannotShow(t *testing.T) {
	for _, args := range [][]string{{"demo", "--for", "1s"}, {"demo", "--fault", "errors=often"}, {"demo", "now"}} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, nil, &out, &errs, func(string) string { return "" }); code != exitUsage {
			t.Errorf("%v: exit code %d, want %d\n%s", args, code, exitUsage, errs.String())
		}
	}
}
