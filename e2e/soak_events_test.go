//go:build e2e

package e2e

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/control"
	"github.com/switchback-proxy/switchback/internal/binary"
	disk "github.com/switchback-proxy/switchback/journal"
)

// remember has a node begin with as many events as one keeps. They take some megabytes, which a young node takes bit
// by bit and an old one has. Then every event of the soak pushes one out, and what a change leaves behind is a leak.
func (s *site) remember(t *testing.T) {
	t.Helper()
	j, _, err := disk.Open(filepath.Join(s.state, "events"), control.Lanes, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-24 * time.Hour).UTC()
	for lane, n := range []int{10_000, 4_000} { // decided and seen
		for i := range n {
			at = at.Add(time.Second)
			value, err := json.Marshal(past(lane, i, at))
			if err != nil {
				t.Fatal(err)
			}
			binary.Until(t, "the journal has room", func() bool {
				return j.Append(disk.Record{Lane: lane, ID: at.UnixMicro(), Value: value}, false)
			})
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// past is an event such as a soak makes them.
func past(lane, i int, at time.Time) api.Event {
	digest := strings.Repeat("0", 64)
	switch {
	case lane > 0:
		return api.Event{
			At: at, Service: "web", Pool: "blue", Target: "http://127.0.0.1:20000", Type: api.EventTargetUp, By: "switchback",
			Sentence: "http://127.0.0.1:20000 of blue is up, before: down", Was: "down", Is: "up",
		}
	case i%2 == 0:
		return api.Event{
			At: at, Service: "web", Type: api.EventCutover, By: "anonymous", From: "127.0.0.1", Reason: "soak",
			Sentence: "cutover by anonymous: blue 100 %; before: green 100 %; reason: soak",
			Before:   api.Weights{"green": 100}, After: api.Weights{"blue": 100},
		}
	}
	return api.Event{
		At: at, Type: api.EventConfigLoaded, By: "anonymous", From: "127.0.0.1", Reason: "soak", Was: digest, Is: digest,
		Sentence: "the configuration is in force",
	}
}
