package metrics

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestConnectionsByPath(t *testing.T) {
	r := newRegistry("1.2.3")
	web := r.Connections("web")
	shows := func(after string, open, general, fast string) {
		t.Helper()
		want := []string{
			`switchback_connections{listener="web"} ` + open,
			`switchback_path_connections{listener="web",path="fast"} ` + fast,
			`switchback_path_connections{listener="web",path="general"} ` + general,
		}
		if got := series(t, r, "connections{"); !slices.Equal(got, want) {
			t.Errorf("after %s: %q, want %q", after, got, want)
		}
	}
	shows("nothing", "0", "0", "0")
	web.Opened()
	web.OpenedFast()
	web.OpenedFast()
	shows("three", "3", "1", "2")
	web.HandedOver(HandoverExpect)
	shows("a hand-over", "3", "2", "1")
	web.ClosedFast()
	shows("the end of the fast one", "2", "2", "0")
	web.Closed()
	web.Closed()
	shows("the end of all", "0", "0", "0")
}

func TestPaths(t *testing.T) {
	r := newRegistry("1.2.3")
	if p := r.Paths(); p.Fast != 0 || p.General != 0 || p.Handovers == nil {
		t.Errorf("without a listener: %+v", p)
	}
	web, api := r.Connections("web"), r.Connections("api")
	for range 3 {
		web.OpenedFast()
		api.OpenedFast()
	}
	api.Opened()
	web.HandedOver(HandoverUpgrade)
	api.HandedOver(HandoverUpgrade)
	api.HandedOver(HandoverGRPC)
	api.Closed()
	p := r.Paths()
	if want := map[string]int64{"upgrade": 2, "grpc": 1}; p.Fast != 3 || p.General != 3 || !maps.Equal(p.Handovers, want) {
		t.Errorf("%+v, want 3 on each path and hand-overs %v", p, want)
	}
}

func TestHandovers(t *testing.T) {
	r := newRegistry("1.2.3")
	web := r.Connections("web")
	all := []Handover{
		HandoverUpgrade, HandoverExpect, HandoverVersion, HandoverConnection, HandoverAbsolute,
		HandoverGRPC, HandoverRefused, HandoverHTTP2, HandoverService, HandoverTrailer,
	}
	var names []string
	for _, h := range all {
		web.HandedOver(h)
		names = append(names, h.String())
	}
	if got, want := strings.Join(names, " "), "upgrade expect version connection absolute grpc refused http2 service trailer"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	got := series(t, r, "switchback_handovers_total{", `listener="web"`, "} 1")
	if len(got) != len(all) || len(all) != int(handovers) {
		t.Errorf("%q, want one of each reason", got)
	}
}

// A listener that leaves takes all its series along.
func TestKeepListenersDropsPaths(t *testing.T) {
	r := newRegistry("1.2.3")
	old := r.Connections("old")
	if got, want := len(series(t, r, `listener="old"`)), 1+len(paths)+int(handovers); got != want {
		t.Errorf("a listener has %d series, want %d", got, want)
	}
	r.KeepListeners(nil)
	old.HandedOver(HandoverService) // of a connection that was open
	if got := series(t, r, `listener="old"`); len(got) != 0 {
		t.Errorf("dropped series show: %q", got)
	}
}
