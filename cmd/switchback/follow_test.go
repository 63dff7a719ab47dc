package main

import (
	"slices"
	"testing"

	"github.com/switchback-proxy/switchback/config"
)

func TestNeedRestart(t *testing.T) {
	const services = "\nservices: {web: {pools: {blue: [http://127.0.0.1:1]}}}"
	started := parse(t, "state: {dir: a}"+services)
	tests := []struct {
		name, file string
		want       []string
	}{
		{"the same", "state: {dir: a}", nil},
		{"what is live", "state: {dir: a}\nlog: {level: debug}\nshutdown: {delay: 1s}\nadmin: {hosts: [a.example]}", nil},
		{"a listener", "state: {dir: a}\nlisteners: {web: {address: ':8081'}}", []string{"listeners"}},
		{"all", "state: {dir: b}\nadmin: {address: '127.0.0.1:9901'}\nlisteners: {x: {address: ':8080'}}", []string{"listeners", "admin.address", "state.dir"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := needRestart(started, parse(t, tt.file+services)); !slices.Equal(got, tt.want) {
				t.Errorf("needRestart = %q, want %q", got, tt.want)
			}
		})
	}
}

func parse(t *testing.T, file string) *config.Config {
	t.Helper()
	c, err := config.Parse("test.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
