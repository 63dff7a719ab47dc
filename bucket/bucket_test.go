package bucket_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/bucket"
)

// TestGolden pins positions, so that another implementation can check itself. The first three are
// published MurmurHash3 x86 32-bit values for seed 0.
func TestGolden(t *testing.T) {
	tests := []struct {
		prefix, key string
		want        uint32
	}{
		{"", "", 0},
		{"", "test", 0xba6bd213},
		{"", "The quick brown fox jumps over the lazy dog", 0x2e4ff723},
		{"shop@2.5.0/green/", "user_alice", 0x5c1a62c2},
		{"shop@2.5.0/green/", "user_bob", 0xe59a923b},
		{"shop/green/", "user_alice", 0x2d107cf3},
		{"shop/green/", "42", 0x1b2fdc6c},
		{"shop/canary/", "ünïcode", 0x4e5213a9},
	}
	for _, tt := range tests {
		t.Run(tt.prefix+tt.key, func(t *testing.T) {
			if got := bucket.Of(tt.prefix, tt.key); got != tt.want {
				t.Errorf("Of(%q, %q) = %#08x, want %#08x", tt.prefix, tt.key, got, tt.want)
			}
		})
	}
}

func TestOfJoinsItsParts(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for _, key := range []string{"", "a", "user_alice", long} {
		if bucket.Of("shop/", key) != bucket.Of("", "shop/"+key) {
			t.Errorf("the position of %.20q depends on where prefix and key are split", key)
		}
	}
}

func TestBelow(t *testing.T) {
	tests := []struct {
		position    uint32
		part, whole uint64
		want        bool
	}{
		{0, 0, 10000, false},
		{0, 1, 10000, true},
		{1<<32 - 1, 9999, 10000, false},
		{1<<32 - 1, 10000, 10000, true},
		{1 << 31, 5000, 10000, false},
		{1<<31 - 1, 5000, 10000, true},
	}
	for _, tt := range tests {
		if got := bucket.Below(tt.position, tt.part, tt.whole); got != tt.want {
			t.Errorf("Below(%d, %d, %d) = %v, want %v", tt.position, tt.part, tt.whole, got, tt.want)
		}
	}
}

func TestSharesAreEven(t *testing.T) {
	const users = 100_000
	for _, part := range []uint64{1, 100, 500, 2500, 5000, 9900} {
		n := 0
		for i := range users {
			if bucket.Below(bucket.Of("shop@1/green/", fmt.Sprint("user-", i)), part, 10000) {
				n++
			}
		}
		want := float64(users) * float64(part) / 10000
		if d := float64(n) - want; d*d > 25*want+25 { // five standard deviations
			t.Errorf("%d of %d users lie below %d/10000, want about %.0f", n, users, part, want)
		}
	}
}

func TestOfAllocatesNothing(t *testing.T) {
	key := strings.Repeat("k", 256)
	if n := testing.AllocsPerRun(100, func() { bucket.Of("shop@2.5.0/green/", key) }); n != 0 {
		t.Errorf("Of allocates %v times", n)
	}
}

func BenchmarkOf(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		bucket.Of("shop@2.5.0/green/", "0123456789abcdef0123456789abcdef")
	}
}
