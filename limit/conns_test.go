package limit

import (
	"net"
	"testing"
	"testing/synctest"

	"github.com/switchback-proxy/switchback/internal/memnet"
)

// The next connection after the cap waits until one of those before it ends.
func TestConnectionsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New()
		ln, err := network.Listen("127.0.0.1:9900")
		if err != nil {
			t.Fatal(err)
		}
		limited := Conns(ln, 2)
		accepted := make(chan net.Conn)
		go func() {
			defer close(accepted)
			for {
				conn, err := limited.Accept()
				if err != nil {
					return
				}
				accepted <- conn
			}
		}()
		for range 3 {
			conn, err := network.DialContext(t.Context(), "tcp", "127.0.0.1:9900")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		first, second := <-accepted, <-accepted
		synctest.Wait()
		select {
		case <-accepted:
			t.Fatal("a third connection was accepted")
		default:
		}
		_ = first.Close()
		_ = first.Close() // frees one place, not two
		third := <-accepted
		_ = limited.Close()
		if conn, ok := <-accepted; ok {
			t.Errorf("%v was accepted after Close", conn)
		}
		_, _ = second.Close(), third.Close()
	})
}
