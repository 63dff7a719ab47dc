// Measures switchback beside other proxies. A module of its own, so that whatever it needs stays out of the
// product's module graph. Run it with: make bench-peers
module github.com/switchback-proxy/switchback/bench

go 1.26.0

require (
	github.com/switchback-proxy/switchback v0.0.0-00010101000000-000000000000
	golang.org/x/sys v0.49.0
)

replace github.com/switchback-proxy/switchback => ../
