// Command switchback is an HTTP reverse proxy that moves traffic between versions of a service and back,
// and the tool to steer one that runs.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}
