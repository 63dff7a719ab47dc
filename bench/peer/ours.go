package peer

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Switchback is the release build. A variant is a name, what is added to its listener, and lines of its service.
func Switchback(program, name, listener, service string) Peer {
	return Peer{
		Name: name, Program: program, Version: []string{"version"},
		Args: always("serve", "-c", "switchback.yaml"), Env: threads,
		Files: func(s Setup) map[string]string {
			return map[string]string{"switchback.yaml": switchbackFile(s, listener, service)}
		},
	}
}

func switchbackFile(s Setup, listener, service string) string {
	return fmt.Sprintf(`listeners: {web: {address: "%s", timeouts: {idle: 10m}%s}}
admin: {address: "%s"}
state: {dir: state}
log: {level: warn}
services:
  web:
    pools:
      blue:  [%s]
      green: [%s]
    weights: {blue: %d, green: %d}
    health: {every: 5s}
%s`, s.Listen, listener, s.Admin, urls(s.Blue), urls(s.Green), BlueShare, GreenShare, service)
}

func urls(addrs []string) string { return "http://" + strings.Join(addrs, ", http://") }

// threads bounds what a Go program runs at a time.
func threads(s Setup) []string { return []string{fmt.Sprintf("GOMAXPROCS=%d", s.Threads)} }

// ReverseProxy is the reverse proxy of Go's standard library, with nothing around it but the choice of a
// target. The program given serves the setup in a file: PROGRAM reverseproxy FILE.
func ReverseProxy(program string) Peer { return bench(program, "ReverseProxy", "reverseproxy") }

// Relay is what passes bytes on without reading a header. It is run as PROGRAM relay FILE.
func Relay(program string) Peer { return bench(program, "relay", "relay") }

// bench is a command of the program that measures.
func bench(program, name, command string) Peer {
	return Peer{
		Name: name, Program: program, Version: []string{"version"},
		Args: always(command, "setup.json"), Env: threads,
		Files: func(s Setup) map[string]string {
			text, _ := json.Marshal(s) // strings and numbers
			return map[string]string{"setup.json": string(text) + "\n"}
		},
	}
}
