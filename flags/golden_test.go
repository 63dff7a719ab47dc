package flags

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/bits"
	"os"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/config"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// murmur is MurmurHash3 x86 32-bit with seed 0, written down here a second time so that a change of the
// library or of package bucket cannot move users unseen.
func murmur(data []byte) uint32 {
	const c1, c2 = 0xcc9e2d51, 0x1b873593
	var h uint32
	length := uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := binary.LittleEndian.Uint32(data) * c1
		h ^= bits.RotateLeft32(k, 15) * c2
		h = bits.RotateLeft32(h, 13)*5 + 0xe6546b64
	}
	var k uint32
	for i := len(data) - 1; i >= 0; i-- {
		k = k<<8 | uint32(data[i])
	}
	h ^= bits.RotateLeft32(k*c1, 15) * c2
	h ^= length
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}

// place is flagd's: of ten thousand buckets the one in which a user of a flag lies.
func place(flag, key string) uint64 { return uint64(murmur([]byte(flag+key))) * 10000 >> 32 }

func TestMurmur(t *testing.T) {
	for s, want := range map[string]uint32{"": 0, "test": 0xba6bd213, "The quick brown fox jumps over the lazy dog": 0x2e4ff723} {
		if got := murmur([]byte(s)); got != want {
			t.Errorf("murmur(%q) = %#08x, want the published %#08x", s, got, want)
		}
	}
}

// TestPositions pins who has a flag from which percentage on. The file must never change.
func TestPositions(t *testing.T) {
	var b strings.Builder
	b.WriteString("# flag, targeting key, place among 10000: the user has the flag above that many hundredths of a percent\n")
	for _, name := range []string{"hn", "hn/variant/", "y", "new-checkout", "headerColor", "a.b_c-9"} {
		for _, key := range []string{"user_alice", "user_bob", "42", "ünïcode", "foo@foo.com", "d3b07384-d9a0-4c1b-8f0e-1c2d3e4f5a6b"} {
			fmt.Fprintf(&b, "%s %s %d\n", name, key, place(name, key))
		}
	}
	const path = "testdata/positions.txt"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(raw) != b.String() {
		t.Errorf("%s differs; got:\n%s", path, b.String())
	}
	for line := range strings.Lines(string(raw)) {
		var name, key string
		var at config.Weight
		if n, _ := fmt.Sscanf(line, "%s %s %d", &name, &key, &at); n == 3 && name != "#" && !strings.HasSuffix(name, "/") {
			checkPlace(t, name, key, at)
		}
	}
}

// checkPlace looks on both sides of the place.
func checkPlace(t *testing.T, name, key string, at config.Weight) {
	t.Helper()
	f := parsed(t, name, `{"strategy":"percentage","value":0}`)
	for value, want := range map[config.Weight]bool{at: false, at + 1: true} {
		if got := Compile([]Definition{{Flag: f, Share: &value}}, nil).Flag(name).Evaluate(&Context{Key: key}).Has; got != want {
			t.Errorf("%s at %v: %s has it: %v, want %v", name, value, key, got, want)
		}
	}
}

// TestCohortIsFlagds compares membership with flagd's formula for many users, and that of a rule and of a salt.
func TestCohortIsFlagds(t *testing.T) {
	for _, value := range []config.Weight{1, 500, 1234, 5000, 9999} {
		share := fmt.Sprint(value.Percent())
		own := one(t, "new-checkout", `{"strategy":"percentage","value":`+share+`}`)
		rule := one(t, "new-checkout", `{"strategy":"users","targeting":[{"when":{"attribute":"a","equals":1},"value":`+share+`}]}`)
		salted := one(t, "other", `{"strategy":"percentage","value":`+share+`,"salt":"new-checkout"}`)
		for i := range 20_000 {
			c := &Context{Key: fmt.Sprint("user-", i), Attributes: map[string]any{"a": 1.0}}
			want := place("new-checkout", c.Key) < uint64(value)
			if own.Evaluate(c).Has != want || rule.Evaluate(c).Has != want || salted.Evaluate(c).Has != want {
				t.Fatalf("%s at %v: own %v, rule %v, salt %v, want %v", c.Key, value, own.Evaluate(c).Has, rule.Evaluate(c).Has, salted.Evaluate(c).Has, want)
			}
		}
	}
}
