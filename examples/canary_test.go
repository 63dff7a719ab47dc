package examples

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/demo"
	"github.com/switchback-proxy/switchback/internal/binary"
)

const (
	shopWait   = "switchback wait shop --for promoted --timeout 2m"
	shopEvents = "switchback events shop"
	shopStatus = "switchback status shop"
)

// canaryAddrs are those of both examples of rollouts.
var canaryAddrs = []string{
	"127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:8083", "127.0.0.1:8084", "127.0.0.1:9900",
}

func TestCanary(t *testing.T) {
	t.Parallel()
	e := open(t, "canary", "", canaryAddrs...)
	old1 := e.start(t, "upstream --addr 127.0.0.1:8081 --version 2.4.0")
	old2 := e.start(t, "upstream --addr 127.0.0.1:8082 --version 2.4.0")
	e.start(t, "switchback serve -c examples/canary/switchback.yaml")
	e.served(t)
	load := e.traffic(t, 250)

	e.start(t, "upstream --addr 127.0.0.1:8083 --version 2.5.0")
	e.start(t, "upstream --addr 127.0.0.1:8084 --version 2.5.0")
	e.both(t, "green")
	e.edit(t, `green:
        version: "2.4.0"`, `green:
        version: "2.5.0"`)
	e.begun(t, "2.5.0")
	e.expect(t, shopWait, 0)
	e.expect(t, shopStatus, 0, "promoted")
	e.weights(t, api.Weights{"blue": 0, "green": 100})
	if seen := load.Take().Pools; seen["2.5.0"].Requests == 0 || seen["2.4.0"].Failed+seen["2.5.0"].Failed > 0 {
		t.Errorf("users saw %+v during a good rollout", seen)
	}

	old1.Kill()
	old2.Kill()
	e.start(t, "upstream --addr 127.0.0.1:8081 --version 2.6.0 --errors 10")
	e.start(t, "upstream --addr 127.0.0.1:8082 --version 2.6.0 --errors 10")
	e.both(t, "blue")
	e.edit(t, `blue:
        version: "2.4.0"`, `blue:
        version: "2.6.0"`)
	e.begun(t, "2.6.0")
	e.expect(t, shopWait, 4)
	e.weights(t, api.Weights{"blue": 0, "green": 100})
	back := e.last(t)
	if back.Type != "rollout.rolled_back" {
		t.Fatalf("the bad version ended with %s: %s", back.Type, back.Sentence)
	}
	t.Log(back.Sentence)
	for _, part := range []string{"rolled back: since ", "blue failed ", " while green failed none of ", "allowed is +2 points"} {
		e.says(t, part)
		if !strings.Contains(back.Sentence, part) {
			t.Errorf("%q is not in the sentence %q", part, back.Sentence)
		}
	}
	said := strings.TrimPrefix(back.Sentence, "rolled back: ")
	e.expect(t, shopStatus, 0, "2.6.0 rolled back ", said)
	e.expect(t, shopEvents, 0, said)
	e.expect(t, `switchback rollout start shop --to blue --reason "it was the database"`, 0)
	e.weights(t, api.Weights{"blue": 20, "green": 80})
}

// traffic sends so many requests a second until the test ends.
func (e *example) traffic(t *testing.T, rate int) *demo.Load {
	t.Helper()
	load, err := demo.NewLoad(demo.LoadOptions{
		URL: e.moved("http://127.0.0.1:8080/"), Host: e.host, Rate: rate, Clients: 64, Users: 1000, Timeout: 30 * time.Second,
		Pools: map[string]string{"2.4.0": "2.4.0", "2.5.0": "2.5.0", "2.6.0": "2.6.0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		load.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return load
}

// client speaks to the example's admin API. There is one for all of a test's requests.
func (e *example) client(t *testing.T) *api.Client {
	t.Helper()
	if e.admin != nil {
		return e.admin
	}
	c, err := api.NewClient(e.moved("http://127.0.0.1:9900"), e.token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	e.admin = c
	return c
}

// shop is the service as the API shows it.
func (e *example) shop(t *testing.T) api.Service {
	t.Helper()
	v, err := e.client(t).Service(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// both waits until both targets of a pool are up.
func (e *example) both(t *testing.T, pool string) {
	t.Helper()
	binary.Until(t, pool+" is up", func() bool { return e.shop(t).Pools[pool].Up == 2 })
}

// begun waits until the rollout of a version was started.
func (e *example) begun(t *testing.T, version string) {
	t.Helper()
	binary.Until(t, "the rollout of "+version+" begins", func() bool {
		r := e.shop(t).Rollout
		return r != nil && r.Version == version
	})
}

// weights checks what is in force.
func (e *example) weights(t *testing.T, want api.Weights) {
	t.Helper()
	got := e.shop(t).Weights.InForce
	for pool, w := range want {
		if got[pool] != w {
			t.Errorf("%v in force, want %v", got, want)
		}
	}
}

// events are those of the service, oldest first.
func (e *example) events(t *testing.T) []api.Event {
	t.Helper()
	page, err := e.client(t).Events(t.Context(), api.EventsQuery{Service: "shop", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return page.Events
}

func (e *example) last(t *testing.T) api.Event {
	t.Helper()
	all := e.events(t)
	if len(all) == 0 {
		t.Fatal("there is no event")
	}
	return all[len(all)-1]
}
