package bolt_test

import (
	"testing"

	"github.com/switchback-proxy/switchback/store"
	"github.com/switchback-proxy/switchback/store/bolt"
	"github.com/switchback-proxy/switchback/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store { return open(t, t.TempDir()) })
}

func TestContractReopened(t *testing.T) {
	storetest.RunReopen(t, func(t testing.TB, place string) store.Store { return open(t, place) })
}

// open opens a store without an accident, and closes it with the test.
func open(t testing.TB, dir string) *bolt.Store {
	t.Helper()
	s, _ := openReport(t, dir)
	return s
}

func openReport(t testing.TB, dir string) (*bolt.Store, bolt.Report) {
	t.Helper()
	s, report, err := bolt.Open(dir, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, report
}
