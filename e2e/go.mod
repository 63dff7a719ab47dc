// End-to-end tests: the real binary in front of real servers. A module of its own, so that whatever they
// need stays out of the product's module graph. Run them with: make e2e
module github.com/switchback-proxy/switchback/e2e

go 1.26.0

require github.com/switchback-proxy/switchback v0.0.0

replace github.com/switchback-proxy/switchback => ../
