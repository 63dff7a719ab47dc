package memnet_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/internal/memnet"
)

// connect returns both ends of a connection through a new listener.
func connect(tb testing.TB) (client, server net.Conn) {
	tb.Helper()
	n := memnet.New()
	ln, err := n.Listen("10.0.0.1:80")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { ln.Close() })
	client, err = n.DialContext(tb.Context(), "tcp", "10.0.0.1:80")
	if err != nil {
		tb.Fatal(err)
	}
	server, err = ln.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func TestBytesArriveInOrder(t *testing.T) {
	client, server := connect(t)
	sent := bytes.Repeat([]byte("0123456789"), 100_000) // far more than the buffer
	go func() {
		client.Write(sent)
		client.Close()
	}()
	got, err := io.ReadAll(server)
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("read %d bytes, %v; want the %d sent", len(got), err, len(sent))
	}
	if _, err := server.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write to a closed peer: %v, want EPIPE", err)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read of a closed end: %v, want ErrClosed", err)
	}
}

func TestHalfClose(t *testing.T) {
	client, server := connect(t)
	client.Write([]byte("ask"))
	if err := client.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(server); err != nil || string(got) != "ask" {
		t.Fatalf("server read %q, %v", got, err)
	}
	server.Write([]byte("answer"))
	server.Close()
	if got, err := io.ReadAll(client); err != nil || string(got) != "answer" {
		t.Fatalf("client read %q, %v", got, err)
	}
}

func TestReset(t *testing.T) {
	client, server := connect(t)
	server.Write([]byte("never read"))
	server.(interface{ Reset() }).Reset()
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v, want ECONNRESET", err)
	}
	if _, err := client.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("write: %v, want ECONNRESET", err)
	}
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := connect(t)
		start := time.Now()
		client.SetReadDeadline(start.Add(3 * time.Second))
		_, err := client.Read(make([]byte, 1))
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("read: %v after %v", err, time.Since(start))
		}
		if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Timeout() {
			t.Errorf("%v is not a timeout", err)
		}
		client.SetWriteDeadline(start.Add(5 * time.Second))
		_, err = client.Write(make([]byte, 1<<20)) // nobody reads
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("write: %v after %v", err, time.Since(start))
		}
		client.SetDeadline(time.Time{})
		client.SetReadDeadline(time.Now().Add(-time.Second))
		if _, err = client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read past its deadline: %v", err)
		}
	})
}

func TestDialRefusedAndHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		if _, err := n.DialContext(t.Context(), "tcp", "10.0.0.9:80"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("nobody listens: %v", err)
		}
		n.Hang("10.0.0.9:80", true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if _, err := n.DialContext(ctx, "tcp", "10.0.0.9:80"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("hung: %v", err)
		}
		if d := time.Since(start); d != time.Minute {
			t.Errorf("hung for %v", d)
		}
		n.Hang("10.0.0.9:80", false)
		if _, err := n.DialContext(t.Context(), "tcp", "10.0.0.9:80"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("not hung any more: %v", err)
		}
		if got := n.Dials("10.0.0.9:80"); got != 3 {
			t.Errorf("%d dials counted, want 3", got)
		}
	})
}

func TestListenerCloses(t *testing.T) {
	n := memnet.New()
	ln, err := n.Listen("10.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Listen("10.0.0.1:80"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("second listener: %v", err)
	}
	waiting, err := n.DialContext(t.Context(), "tcp", "10.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if _, err := waiting.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("connection nobody accepted: %v", err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept: %v", err)
	}
	if ln, err = n.Listen("10.0.0.1:80"); err != nil {
		t.Errorf("listen again: %v", err)
	} else {
		ln.Close()
	}
}

func TestFullBacklogWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		ln, _ := n.Listen("10.0.0.1:80")
		defer ln.Close()
		for range 1000 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := n.DialContext(ctx, "tcp", "10.0.0.1:80")
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Error("1000 connections that nobody accepts")
	})
}

func TestHTTPInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		ln, _ := n.Listen("green.test:0")
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Hour)
			io.Copy(w, r.Body)
		})}
		go srv.Serve(ln)
		defer srv.Close()
		tr := &http.Transport{DialContext: n.DialContext}
		defer tr.CloseIdleConnections()
		start := time.Now()
		res, err := (&http.Client{Transport: tr}).Post("http://"+ln.Addr().String(), "", bytes.NewBufferString("hello"))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		line, _ := bufio.NewReader(res.Body).ReadString(0)
		if line != "hello" || time.Since(start) != time.Hour {
			t.Errorf("got %q after %v", line, time.Since(start))
		}
	})
}
