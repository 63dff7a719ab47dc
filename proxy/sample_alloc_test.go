package proxy

import (
	"net/http"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/router"
	"go.uber.org/zap"
)

func TestSamplingAllocatesNothing(t *testing.T) {
	c, err := config.Parse("test.yaml", []byte(`services: {web: {sticky: {key: [{header: X-User}, {issue_cookie: id}]},
  pools: {blue: [http://10.0.0.1], green: [http://10.0.0.2]}, weights: {blue: 50, green: 50}, rollout: {checks: {errors: {also: [429]},
    db: {server_timing: db}, conversion: {good: "GET /b", of: "GET /a"}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	table, err := router.Compile(c, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Log: zap.NewNop(), Metrics: metrics.New("test")})
	defer s.Close()
	s.Swap(table)
	res := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/html"}, "Server-Timing": {"db;dur=1"}}}
	for name, header := range map[string]http.Header{"key": {"X-User": {"a-user-with-a-rather-long-name-000000000000000001"}}, "minted": {}} {
		x := &exchange{server: s, snap: s.snap.Load(), began: time.Now()}
		x.decision, err = table.Decide(&router.Request{Path: "/", Header: header}, s.random())
		if err != nil || !x.decision.Cause.Drawn() {
			t.Fatalf("%s: %v, by %v", name, err, x.decision.Cause)
		}
		x.use(x.decision.Target)
		x.marks = x.decision.Service.Mark("GET", "/a")
		allocs := testing.AllocsPerRun(1000, func() {
			x.beginSample()
			x.sampleHead(res.StatusCode, "text/html", res.Header)
			x.sampleEnd(metrics.OK)
			x.sampleEnd(metrics.Truncated)
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations, want none", name, allocs)
		}
	}
}
