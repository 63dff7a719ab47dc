// Command shop is a small shop with a database, in as many versions as you like, and what belongs to trying
// one: customers, and an acceptance test that a rollout can ask.
//
//	shop --addr 127.0.0.1:8081 --version 2.4.0 [--fault cpu]
//	shop customers --url http://127.0.0.1:8080 --rate 60
//	shop acceptance --addr 127.0.0.1:8095
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	command := ""
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		command, args = args[0], args[1:]
	}
	f := flag.NewFlagSet("shop", flag.ContinueOnError)
	addr := f.String("addr", "127.0.0.1:8081", "address to listen on")
	version := f.String("version", "2.4.0", "version to answer with")
	fault := f.String("fault", "", "what is wrong with this version: "+faultNames)
	url := f.String("url", "http://127.0.0.1:8080", "the shop's address for customers")
	rate := f.Int("rate", 60, "customers a second")
	if err := f.Parse(args); err != nil {
		return err
	}
	switch command {
	case "":
		s, err := newShop(*version, *fault)
		if err != nil {
			return err
		}
		defer s.close()
		return serve(ctx, *addr, s.handler())
	case "customers":
		return customers(ctx, *url, *rate)
	case "acceptance":
		return serve(ctx, *addr, acceptance())
	}
	return fmt.Errorf("%q is no command; there are customers and acceptance", command)
}

// serve answers until ctx ends and then finishes the requests in flight.
func serve(ctx context.Context, addr string, h http.Handler) error {
	s := &http.Server{Addr: addr, Handler: h, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- s.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(end); err != nil {
		return err
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
