package control

import (
	"maps"
	"testing"

	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/store/memory"
)

func TestConnectionsOfTheNode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		none := start(t, memory.New(), blueGreen(100)).Overview().Node.Connections
		if none.Fast != 0 || none.General != 0 || none.Handovers == nil || len(none.Handovers) != 0 {
			t.Errorf("nobody counts, but %+v", none)
		}
		counted := metrics.Paths{Fast: 12, General: 3, Handovers: map[string]int64{"upgrade": 2}}
		n := startWith(t, Options{Config: blueGreen(100), Store: memory.New(), Connections: func() metrics.Paths { return counted }})
		if got := n.Overview().Node.Connections; got.Fast != 12 || got.General != 3 || !maps.Equal(got.Handovers, counted.Handovers) {
			t.Errorf("got %+v, want %+v", got, counted)
		}
		counted.Fast = 11 // nothing was published since
		if got := n.Overview().Node.Connections.Fast; got != 11 {
			t.Errorf("%d on the fast path, want 11", got)
		}
	})
}
