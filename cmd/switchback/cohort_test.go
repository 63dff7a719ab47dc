package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/admin/api"
)

const stickyShop = `
services:
  shop:
    pools:
      blue: {version: "2.4.0", targets: [BLUE]}
      green: {version: "2.5.0", targets: [GREEN]}
    weights: {blue: 100, green: 0}
    sticky: {key: [{header: X-User-ID}]}
    health: {every: 100ms}
`

// TestCohortAgreesWithTraffic: of 10,000 users those that the command lists, from the server and from the file alone, are
// those whose requests arrive at the candidate once it has that weight, and explain names where each of some goes.
func TestCohortAgreesWithTraffic(t *testing.T) {
	l := liveNode(t, stickyShop)
	keys := make([]string, 10_000)
	for i := range keys {
		keys[i] = fmt.Sprint("user-", i)
	}
	ids := strings.Join(keys, "\n") + "\n"
	out, errs, code := l.run(t, ids, "cohort", "shop", "--weight", "12.5")
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	if offline, _, _ := l.run(t, ids, "cohort", "shop", "--weight", "12.5", "-c", l.file); offline != out {
		t.Errorf("the file alone says otherwise: %d and %d bytes", len(offline), len(out))
	}
	in := strings.Fields(out)
	if len(in) < 1085 || len(in) > 1415 { // 5 sigma
		t.Errorf("%d of 10,000 are in, want about 1,250", len(in))
	}
	if _, err := l.SetWeights(t.Context(), "shop", api.WeightsRequest{Weights: api.Weights{"blue": 87.5, "green": 12.5}}); err != nil {
		t.Fatal(err)
	}
	var met []string
	for i, key := range keys {
		pool := l.get(t, key)
		if pool == "green" {
			met = append(met, key)
		}
		if i%100 != 0 {
			continue
		}
		x, err := l.Explain(t.Context(), api.ExplainRequest{Path: "/", Headers: map[string]string{"X-User-ID": key}})
		if err != nil || x.Pool != pool || len(x.Walk) != 1 || x.Walk[0].Taken != (pool == "green") {
			t.Errorf("%s met %s, explained as %+v, %v", key, pool, x, err)
		}
	}
	if !slices.Equal(met, in) {
		t.Errorf("%d users met green, cohort lists %d", len(met), len(in))
	}
}

// get is the server that answers a user.
func (l *livesite) get(t *testing.T, user string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.web+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-User-ID", user)
	res, err := liveClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var liveClient = &http.Client{Transport: &http.Transport{}}

// TestBunches: lines come some at a time, whatever their length and end.
func TestBunches(t *testing.T) {
	long := strings.Repeat("k", 60_000)
	lines := append(slices.Repeat([]string{"a"}, 5000), slices.Repeat([]string{long}, 40)...)
	got, most := 0, 0
	err := eachBunch(strings.NewReader("\n"+strings.Join(lines, "\r\n\n")), func(keys []string) error {
		got += len(keys)
		size := 0
		for _, k := range keys {
			if k != "a" && k != long {
				t.Fatalf("got the key %.20q", k)
			}
			size += len(k)
		}
		most = max(most, size)
		return nil
	})
	if err != nil || got != len(lines) || most > bunchSize+maxLine {
		t.Errorf("%d of %d keys, at most %d bytes at once, %v", got, len(lines), most, err)
	}
	if err := eachBunch(strings.NewReader(strings.Repeat("k", maxLine+1)), func([]string) error { return nil }); err == nil {
		t.Error("a line without end is read")
	}
}
