package proxy_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/metrics"
)

// shopFile has users by a header, or none, and all of the checks that look at requests.
const shopFile = `services: {web: {pools: {blue: ["{{blue}}"], red: ["{{blue}}"]}, weights: {blue: 100, red: 0}, %s
  rollout: {checks: {
    db: {server_timing: db, max_ratio: 1.3}, cache: {server_timing: cache},
    conversion: {good: "POST /checkout 2xx", of: "GET /cart 2xx"}, paid: {good: "POST /checkout 201", of: "POST /checkout"}}}}}`

// shop answers orders of even users with 201 and those of others with 409.
func shop(t *testing.T) string {
	return upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server-Timing", `cache;desc="db;dur=99", db;dur=5`)
		w.Header().Add("Server-Timing", "db;dur=6.5")
		switch {
		case r.URL.Path == "/broken":
			w.WriteHeader(http.StatusInternalServerError)
		case r.Method == http.MethodPost && r.Header.Get("X-Order") == "good":
			w.WriteHeader(http.StatusCreated)
		case r.Method == http.MethodPost:
			w.WriteHeader(http.StatusConflict)
		}
	})
}

func (r *rig) send(method, path string, fields ...string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.addr+path, http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	do(r.t, req)
}

// travelled sums up what a check counted.
func (r *rig) travelled(check string) (sum metrics.Arrivals) {
	for _, p := range r.metrics.Journeys("web", check).Take(r.metrics.Second(time.Now().Add(time.Hour)), nil) {
		if p.Pool != "blue" {
			r.t.Errorf("%s of pool %q", check, p.Pool)
		}
		sum.Begun += p.Total().Begun
		sum.Arrived += p.Total().Arrived
	}
	return sum
}

func TestJourneysOfUsers(t *testing.T) {
	r := start(t, fmt.Sprintf(shopFile, "sticky: {key: [{header: X-User}]},"), map[string]string{"blue": shop(t)})
	for user := range 10 {
		who := fmt.Sprint("user", user)
		order := "bad"
		if user < 4 {
			order = "good"
		}
		r.send("GET", "/cart", "X-User", who)
		r.send("GET", "/%63art/", "X-User", who)
		r.send("POST", "/checkout", "X-User", who, "X-Order", order)
	}
	r.send("GET", "/cart")                                               // nobody knows who
	r.send("POST", "/checkout", "X-User", "stranger", "X-Order", "good") // came without a cart
	if got := r.travelled("conversion"); got != (metrics.Arrivals{Begun: 10, Arrived: 4}) {
		t.Errorf("conversion: %+v, want 4 of 10", got)
	}
	if got := r.travelled("paid"); got != (metrics.Arrivals{Begun: 11, Arrived: 5}) {
		t.Errorf("paid: %+v, want 5 of 11", got)
	}
}

func TestJourneysWithoutKeys(t *testing.T) {
	r := start(t, fmt.Sprintf(shopFile, ""), map[string]string{"blue": shop(t)})
	for i := range 6 {
		r.send("GET", "/cart")
		if i%2 == 0 {
			r.send("POST", "/checkout", "X-Order", "good")
		}
	}
	if got := r.travelled("conversion"); got != (metrics.Arrivals{Begun: 6, Arrived: 3}) {
		t.Errorf("conversion: %+v, want 3 of 6", got)
	}
}

func TestTimesThatResponsesTell(t *testing.T) {
	r := start(t, fmt.Sprintf(shopFile, ""), map[string]string{"blue": shop(t)})
	var over [metrics.Thresholds]time.Duration
	over[metrics.Latencies] = 12 * time.Millisecond
	r.metrics.Cells("web", "blue").Publish(0, over)
	for range 3 {
		r.send("GET", "/")
	}
	r.send("GET", "/broken")
	got := r.settled(4).sampled("blue")
	if got.Told != [metrics.Measures]uint32{3} || got.Within[metrics.Latencies] != 3 || got.Failed != 1 {
		t.Errorf("%+v, want 3 times of db told, all within, and none of cache, which has no duration", got)
	}
}
