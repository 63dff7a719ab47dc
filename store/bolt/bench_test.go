package bolt_test

import (
	"fmt"
	"testing"

	"github.com/switchback-proxy/switchback/store"
)

// BenchmarkPut is one acknowledged write of 2 KiB, with everything synced, beside so many other entries
// of that size.
func BenchmarkPut(b *testing.B) {
	for _, others := range []int{0, 10, 100, 1000} {
		b.Run(fmt.Sprint(others), func(b *testing.B) {
			s := open(b, b.TempDir())
			value := make([]byte, 2<<10)
			for i := range others {
				if _, err := s.Put(b.Context(), fmt.Sprint("service/", i), value, 0); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			var at store.Revision
			var err error
			for b.Loop() {
				if at, err = s.Put(b.Context(), "key", value, at); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
