// Package e2e tests the switchback binary as its users meet it: a process with a file, real nginx servers
// upstream, signals, a disk that fills up, a machine that loses power. Everything is behind the build tag
// e2e; traffic goes to 127.0.0.1 only, and only processes the tests started are ended.
package e2e
