package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/flags"
	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/router"
)

const flagged = `
services:
  shop:
    pools: {blue: [{{up}}]}
    sticky: {key: [{header: X-User-ID}, {issue_cookie: sb_id}]}
    flags: [new-checkout, button, nobody]
flags:
  button: {strategy: all, variants: {grey: 1, red: 2}, off_variant: grey}
  new-checkout: {strategy: percentage, value: 50, rollout: {service: shop, steps: [50]}}
  nobody: {strategy: none}
`

// teller is a target that answers with what it was told of flags.
func teller(t testing.TB) string {
	return upstream(t, func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			if strings.Contains(strings.ToLower(name), "flags") {
				fmt.Fprintf(w, "%s: %s\n", name, strings.Join(values, "|"))
			}
		}
	})
}

// swapFlags puts a file with its flags in force.
func (r *rig) swapFlags() *flags.Set {
	r.t.Helper()
	c := r.table.Config
	var all []flags.Definition
	for i := range c.Flags {
		all = append(all, flags.Definition{Flag: &c.Flags[i]})
	}
	set := flags.Compile(all, nil)
	table, err := router.Compile(c, map[string]router.Intent{"flag:new-checkout": {Revision: 7}}, set, r.table)
	if err != nil {
		r.t.Fatal(err)
	}
	r.table = table
	r.server.Swap(table)
	return set
}

func TestFlagsAreToldUpstream(t *testing.T) {
	r := start(t, flagged, map[string]string{"up": teller(t)})
	set := r.swapFlags()
	for i := range 20 {
		user := fmt.Sprint("user", i)
		variant := set.Flag("new-checkout").Evaluate(&flags.Context{Key: user}).Variant.Name
		_, body := r.get("/", "X-User-ID", user, "Switchback-Flags", "new-checkout=forged")
		want := "Switchback-Flags: new-checkout=" + variant + ", button=red, nobody=off"
		if !strings.Contains(body, want) || strings.Contains(body, "forged") {
			t.Fatalf("%s: upstream was told\n%s\nwant %s", user, body, want)
		}
	}
	// A user without a key gets one, and the flags of it.
	res, body := r.get("/")
	cookies := res.Cookies()
	if len(cookies) != 1 {
		t.Fatalf("cookies %v", cookies)
	}
	variant := set.Flag("new-checkout").Evaluate(&flags.Context{Key: cookies[0].Value}).Variant.Name
	if want := "Switchback-Flags: new-checkout=" + variant; !strings.Contains(body, want) {
		t.Errorf("upstream was told\n%s\nwant %s", body, want)
	}
}

// A field that would grow too large names fewer flags, never a part of one.
func TestFlagsFieldIsBounded(t *testing.T) {
	names, defined := make([]string, 64), ""
	for i := range names {
		names[i] = fmt.Sprintf("flag-%02d-%s", i, strings.Repeat("x", 50))
		long := strings.Repeat("v", 60)
		defined += fmt.Sprintf("  %s: {strategy: all, variants: {a: 1, %s: 2}, off_variant: a}\n", names[i], long)
	}
	r := start(t, "services: {shop: {pools: {blue: [{{up}}]}, flags: ["+strings.Join(names, ", ")+"]}}\nflags:\n"+defined, map[string]string{"up": teller(t)})
	r.swapFlags()
	_, body := r.get("/")
	_, field, _ := strings.Cut(body, "Switchback-Flags: ")
	field, _, _ = strings.Cut(field, "\n")
	told := strings.Split(field, ", ")
	if len(field) > 4096 || len(field) < 3900 || len(told) >= len(names) {
		t.Errorf("%d bytes tell of %d flags", len(field), len(told))
	}
	for i, f := range told {
		if !strings.HasPrefix(f, names[i]+"=v") || len(f) != len(told[0]) {
			t.Errorf("flag %d is %q", i, f)
		}
	}
}

// Requests of users about whom the percentage decided are counted on the side of their flag; the judge may
// compare them.
func TestFlagsAreCompared(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Switchback-Flags"), "new-checkout=on") {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	r := start(t, strings.Replace(flagged, "value: 50,", "value: 50, users: [vip],", 1), map[string]string{"up": up})
	set := r.swapFlags()
	want := map[string]uint32{}
	for i := range 60 {
		user := fmt.Sprint("user", i)
		want[set.Flag("new-checkout").Evaluate(&flags.Context{Key: user}).Variant.Name]++
		r.get("/", "X-User-ID", user)
	}
	for range 5 {
		r.get("/", "X-User-ID", "vip") // has the flag by name: no comparison
	}
	for side, n := range want {
		requests, failed := uint32(0), uint32(0)
		for _, w := range r.metrics.Cells("flag:new-checkout", side).Take(r.metrics.Second(time.Now()), nil) {
			sum := w.Total()
			if w.Revision != 7 {
				t.Errorf("%s: counted under revision %d", side, w.Revision)
			}
			requests, failed = requests+sum.Requests, failed+sum.Failed
		}
		wantFailed := map[string]uint32{"on": n}[side]
		if requests != n || failed != wantFailed {
			t.Errorf("%s: %d requests, %d failed; want %d and %d", side, requests, failed, n, wantFailed)
		}
	}
	var pool metrics.Counts
	for _, w := range r.metrics.Cells("shop", "blue").Take(r.metrics.Second(time.Now()), nil) {
		sum := w.Total()
		pool.Requests += sum.Requests
	}
	if pool.Requests != 65 {
		t.Errorf("the pool itself counted %d requests, want 65", pool.Requests)
	}
}
