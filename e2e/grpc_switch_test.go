//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/internal/binary"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"
)

// dialogue is a bidirectional stream whose client and server answer each other.
type dialogue struct {
	testpb.TestService_FullDuplexCallClient
	pool string
}

// begin opens one and hears its first answer.
func begin(ctx context.Context, t *testing.T, conn *grpc.ClientConn) *dialogue {
	t.Helper()
	s, err := testpb.NewTestServiceClient(conn).FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	d := &dialogue{TestService_FullDuplexCallClient: s}
	if err := d.say(); err != nil {
		t.Fatal(err)
	}
	head, err := s.Header()
	if err != nil {
		t.Fatal(err)
	}
	d.pool = head["x-pool"][0]
	return d
}

// say sends a message and waits for the answer to it. How a stream has ended, receiving tells.
func (d *dialogue) say() error {
	_ = d.Send(&testpb.StreamingOutputCallRequest{ResponseParameters: []*testpb.ResponseParameters{{Size: 100}}})
	_, err := d.Recv()
	return err
}

// end closes our side and expects the other one to end well.
func (d *dialogue) end() error {
	if err := d.CloseSend(); err != nil {
		return err
	}
	if _, err := d.Recv(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("ended with %w", err)
	}
	return nil
}

// hammerGRPC makes unary calls until ctx ends, and counts them by the pool that answered.
func hammerGRPC(ctx context.Context, t *testing.T, conn *grpc.ClientConn, blue, green *atomic.Int64) {
	tc := testpb.NewTestServiceClient(conn)
	for ctx.Err() == nil {
		var head metadata.MD
		_, err := tc.EmptyCall(t.Context(), &testpb.Empty{}, grpc.Header(&head))
		if err != nil {
			t.Errorf("a call failed: %v", err)
			return
		}
		if head["x-pool"][0] == "blue" {
			blue.Add(1)
		} else {
			green.Add(1)
		}
	}
}

// TestGRPCCutover switches back and forth under calls and streams: no call fails or goes to the wrong pool,
// streams stay where they began, and those of a drained pool end one by one with a status to go by.
func TestGRPCCutover(t *testing.T) {
	c := newCalls(t, true, false, "    drain: {timeout: 1s, long_lived: drain, long_lived_timeout: 2s, spread: 1s}\n")
	conn := c.client(t)
	var blue, green atomic.Int64
	load, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() { hammerGRPC(load, t, conn, &blue, &green) })
	}
	var streams []*dialogue
	for range 10 {
		streams = append(streams, begin(t.Context(), t, conn))
	}
	at := time.Now()
	c.cutover(t, "green")
	if d := begin(t.Context(), t, conn); d.pool != "green" {
		t.Errorf("a stream that began after the cutover is on %s", d.pool)
	} else if err := d.end(); err != nil {
		t.Error(err)
	}
	var head metadata.MD
	if _, err := testpb.NewTestServiceClient(conn).EmptyCall(t.Context(), &testpb.Empty{}, grpc.Header(&head)); err != nil || head["x-pool"][0] != "green" {
		t.Errorf("a call after the cutover: %v from %v", err, head["x-pool"])
	}
	for i, d := range streams {
		if err := d.say(); err != nil || d.pool != "blue" {
			t.Errorf("stream %d on %s: %v", i, d.pool, err)
		}
	}
	for _, d := range streams {
		if _, err := d.Recv(); grpcstatus.Code(err) != codes.Unavailable {
			t.Errorf("a drained stream ended with %v", err)
		}
	}
	if took := time.Since(at); took < 2*time.Second {
		t.Errorf("streams were closed %v after the cutover, long_lived_timeout is 2s", took)
	}
	c.cutover(t, "blue")
	seen := blue.Load()
	binary.Until(t, "calls are back on blue", func() bool { return blue.Load() > seen })
	stop()
	clients.Wait()
	if green.Load() == 0 {
		t.Error("no call went to green")
	}
}

// TestGRPCDrain: SIGTERM lets streams and calls end, and sends clients elsewhere meanwhile; what has not
// ended at the hard end is told to try again.
func TestGRPCDrain(t *testing.T) {
	for _, front := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", front), func(t *testing.T) {
			c := newCalls(t, front, false, "")
			conn := c.client(t)
			ends, stays := begin(t.Context(), t, conn), begin(t.Context(), t, conn)
			c.proc.Signal(t, syscall.SIGTERM)
			other := c.client(t)
			binary.Until(t, "nobody is let in any more", func() bool {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := testpb.NewTestServiceClient(other).EmptyCall(ctx, &testpb.Empty{})
				return grpcstatus.Code(err) == codes.Unavailable
			})
			for range 3 {
				if err := ends.say(); err != nil {
					t.Fatalf("a stream does not go on while the proxy drains: %v", err)
				}
			}
			if err := ends.end(); err != nil {
				t.Errorf("a stream that ends in time: %v", err)
			}
			_, err := stays.Recv()
			if grpcstatus.Code(err) != codes.Unavailable {
				t.Errorf("a stream at the hard end: %v", err)
			}
			if code := c.proc.Wait(t, 10*time.Second); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}
