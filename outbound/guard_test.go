package outbound_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/outbound"
)

var errDialed = errors.New("dialed")

// names looks names up in a table.
func names(table map[string][]string) func(context.Context, string) ([]netip.Addr, error) {
	return func(_ context.Context, host string) ([]netip.Addr, error) {
		var all []netip.Addr
		for _, s := range table[strings.ToLower(strings.TrimSuffix(host, "."))] {
			all = append(all, netip.MustParseAddr(s))
		}
		return all, nil
	}
}

func TestDenied(t *testing.T) {
	loopback := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9900}
	everywhere := &net.TCPAddr{Port: 9900}
	lookup := names(map[string][]string{
		"metadata.internal": {"169.254.169.254"}, "mixed.internal": {"203.0.113.1", "fe80::1"},
		"me.internal": {"127.0.0.1"}, "fine.internal": {"203.0.113.1"},
	})
	tests := []struct {
		url    string
		admin  net.Addr
		allow  []string
		denied bool
	}{
		{url: "http://203.0.113.1/"},
		{url: "http://fine.internal/"},
		{url: "http://10.0.0.1/"},
		{url: "http://169.254.169.254/latest", denied: true},
		{url: "http://169.254.0.1:8080/", denied: true},
		{url: "http://[::ffff:169.254.169.254]/", denied: true},
		{url: "http://[::ffff:a9fe:a9fe]/", denied: true},
		{url: "http://[64:ff9b::a9fe:a9fe]/", denied: true},
		{url: "http://[fe80::1]/", denied: true},
		{url: "http://[fe80::1%25lo]/", denied: true},
		{url: "http://metadata.internal/", denied: true},
		{url: "http://mixed.internal/", denied: true},
		{url: "http://0.0.0.0:9900/", denied: true},
		{url: "http://[::]:9900/", denied: true},
		{url: "http://224.0.0.1/", denied: true},

		{url: "http://169.254.169.254/", allow: []string{"169.254.169.254"}},
		{url: "http://169.254.169.254/", allow: []string{"169.254.169.254:80"}},
		{url: "http://169.254.169.254/", allow: []string{"169.254.169.254:81"}, denied: true},
		{url: "http://169.254.169.254/", allow: []string{"169.254.169.253"}, denied: true},
		{url: "http://Metadata.internal./", allow: []string{"metadata.internal"}},
		{url: "http://metadata.internal/", allow: []string{"Metadata.Internal:80"}},
		{url: "http://metadata.internal/", allow: []string{"169.254.169.254"}},
		{url: "http://[fe80::1]/", allow: []string{"[fe80::1]:80"}},

		{url: "http://127.0.0.1:9900/v1", admin: loopback, denied: true},
		{url: "http://[::ffff:127.0.0.1]:9900/v1", admin: loopback, denied: true},
		{url: "http://me.internal:9900/v1", admin: loopback, denied: true},
		{url: "http://me.internal:9901/v1", admin: loopback},
		{url: "http://127.0.0.1:9900/v1", admin: loopback, allow: []string{"127.0.0.1:9900"}},
		{url: "http://127.0.0.2:9900/v1", admin: everywhere, denied: true},
		{url: "http://[::1]:9900/v1", admin: everywhere, denied: true},
		{url: "http://203.0.113.1:9900/v1", admin: everywhere},
		{url: "http://127.0.0.1:9900/v1", admin: &net.UnixAddr{Name: "/run/x.sock"}},
	}
	for _, tt := range tests {
		c := client(t, outbound.Options{
			Admin: tt.admin, Allow: tt.allow, Lookup: lookup,
			Dial: func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Err: errDialed}
			},
		})
		_, err := c.Do(t.Context(), outbound.Call{URL: tt.url})
		if denied := errors.Is(err, outbound.ErrDenied); denied != tt.denied {
			t.Errorf("%s with admin %v, allowed %v: %v; want denied %v", tt.url, tt.admin, tt.allow, err, tt.denied)
		}
		if errors.Is(err, outbound.ErrDenied) == errors.Is(err, errDialed) {
			t.Errorf("%s: %v; an address is denied or dialed", tt.url, err)
		}
	}
}

// TestRebinding has a name server that shows a harmless address first and then another.
func TestRebinding(t *testing.T) {
	asked, dialed := 0, []string{}
	c := client(t, outbound.Options{
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			asked++
			if asked > 1 {
				return []netip.Addr{netip.MustParseAddr("169.254.169.254")}, nil
			}
			return []netip.Addr{netip.MustParseAddr("203.0.113.1")}, nil
		},
		Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			dialed = append(dialed, address)
			return nil, errDialed
		},
	})
	_, err := c.Do(t.Context(), outbound.Call{URL: "http://rebind.example.com/"})
	if err == nil || asked != 1 || len(dialed) != 1 || dialed[0] != "203.0.113.1:80" {
		t.Errorf("asked %d times, dialed %v, error %v; want one look-up and its address", asked, dialed, err)
	}
	if _, err := c.Do(t.Context(), outbound.Call{URL: "http://rebind.example.com/"}); !errors.Is(err, outbound.ErrDenied) {
		t.Errorf("the second call: %v, want ErrDenied", err)
	}
}

// TestOwnAdmin calls a real listener by its address, before and after it is known as the admin API.
func TestOwnAdmin(t *testing.T) {
	c, url := serve(t, outbound.Options{}, func(http.ResponseWriter, *http.Request) {})
	if _, err := c.Do(t.Context(), outbound.Call{URL: url}); err != nil {
		t.Fatal(err)
	}
	at, err := net.ResolveTCPAddr("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	c.Admin(at)
	c.Close() // kept connections were made before
	if _, err := c.Do(t.Context(), outbound.Call{URL: url}); !errors.Is(err, outbound.ErrDenied) {
		t.Errorf("own admin address: %v, want ErrDenied", err)
	}
	c.Allow([]string{at.String()})
	if _, err := c.Do(t.Context(), outbound.Call{URL: url}); err != nil {
		t.Errorf("named: %v", err)
	}
}

// TestSecondAddress goes on to the next address of a name when the first one does not answer.
func TestSecondAddress(t *testing.T) {
	_, url := serve(t, outbound.Options{}, func(http.ResponseWriter, *http.Request) {})
	real := strings.TrimPrefix(url, "http://")
	c := client(t, outbound.Options{
		Lookup: names(map[string][]string{"two.internal": {"203.0.113.1", "203.0.113.2"}}),
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasPrefix(address, "203.0.113.1:") {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return new(net.Dialer).DialContext(ctx, network, real)
		},
	})
	got, err := c.Do(t.Context(), outbound.Call{URL: "http://two.internal/", Timeout: 500 * time.Millisecond})
	if err != nil || !got.OK() {
		t.Errorf("Do = %d, %v; want the second address to answer", got.Status, err)
	}
}
