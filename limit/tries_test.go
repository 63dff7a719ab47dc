package limit

import (
	"fmt"
	"testing"
	"time"
)

func TestTries(t *testing.T) {
	at := time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)
	limited := func(l *Tries, address string) bool { return l.Wait(address, at) > 0 }

	l := NewTries(2, time.Minute)
	for _, a := range []string{"10.0.0.1", "2001:db8::1", "2001:db8::2", "::ffff:10.0.0.1"} {
		l.Fail(a, at)
	}
	if limited(l, "10.0.0.1") || limited(l, "10.0.0.2") {
		t.Error("an address is limited before its second failure, or for another's")
	}
	if !limited(l, "2001:db8::ffff") || limited(l, "2001:db8:0:1::1") {
		t.Error("IPv6 addresses do not count by /64")
	}

	full := NewTries(1, time.Minute)
	for i := range maxAddresses + 100 {
		full.Fail(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), at.Add(time.Duration(i)))
	}
	if n := len(full.fails); n > maxAddresses {
		t.Errorf("%d addresses are remembered, at most %d may be", n, maxAddresses)
	}
	if limited(full, "10.0.0.0") || !limited(full, "10.0.16.0") {
		t.Error("the oldest address should be the one forgotten")
	}
	full.Fail("192.0.2.1", at.Add(2*time.Minute))
	if n := len(full.fails); n != 1 {
		t.Errorf("%d addresses are remembered after their windows, want 1", n)
	}
}
