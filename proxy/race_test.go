//go:build race

package proxy_test

// raced: the race detector watches, and everything takes several times as long.
const raced = true
