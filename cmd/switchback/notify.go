package main

import (
	"fmt"
	"net"
	"strings"

	"golang.org/x/sys/unix"
)

// manager is the service manager that started us, told how far we are by datagrams, as sd_notify(3)
// describes. The zero value tells nobody. It never waits and may be used concurrently.
type manager struct {
	socket string // NOTIFY_SOCKET: a path, or a name of Linux that begins with @
}

// statusServing is the status while all is well.
const statusServing = "serving"

// ready says that everything serves, so what waits for us may go on, and in a line how it goes.
func (m manager) ready(status string) { m.tell("READY=1", "STATUS="+status) }

// stopping says that the end has begun and is meant.
func (m manager) stopping() { m.tell("STOPPING=1", "STATUS=finishing requests") }

// reloading says that the file is being read; ready ends it. The manager wants to know when on the clock
// that nobody sets.
func (m manager) reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return
	}
	m.tell("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000), "STATUS=reading the file")
}

// tell sends its lines as one message. A manager that does not listen gives up on us by itself, and a
// proxy that serves has no reason to end because of it.
func (m manager) tell(lines ...string) {
	if m.socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.socket, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(strings.Join(lines, "\n")))
}
