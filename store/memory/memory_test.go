package memory_test

import (
	"errors"
	"testing"

	"github.com/switchback-proxy/switchback/store"
	"github.com/switchback-proxy/switchback/store/memory"
	"github.com/switchback-proxy/switchback/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(testing.TB) store.Store { return memory.New() })
}

func TestFail(t *testing.T) {
	s := memory.New()
	ctx := t.Context()
	at, err := s.Put(ctx, "k", []byte("v"), 0)
	if err != nil {
		t.Fatal(err)
	}
	disk := errors.New("no space left")

	s.Fail(disk)
	_, putErr := s.Put(ctx, "k", []byte("w"), at)
	for name, err := range map[string]error{"put": putErr, "delete": s.Delete(ctx, "k", at)} {
		if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, disk) {
			t.Errorf("%s while failing: %v, want ErrUnavailable and the cause", name, err)
		}
	}
	if e, err := s.Get(ctx, "k"); err != nil || string(e.Value) != "v" || e.Revision != at {
		t.Errorf("get while writes fail: %v, %v; want what was there", e, err)
	}

	s.Fail(nil)
	if _, err := s.Put(ctx, "k", []byte("w"), at); err != nil {
		t.Errorf("put when it works again: %v", err)
	}
}

func TestFailReads(t *testing.T) {
	s := memory.New()
	ctx := t.Context()
	s.FailReads(errors.New("away"))
	_, getErr := s.Get(ctx, "k")
	_, _, listErr := s.List(ctx, "")
	var watchErr error
	for _, err := range s.Watch(ctx, "", 0) {
		watchErr = err
	}
	for name, err := range map[string]error{"get": getErr, "list": listErr, "watch": watchErr} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s while reads fail: %v, want ErrUnavailable", name, err)
		}
	}
	if _, err := s.Put(ctx, "k", nil, 0); err != nil {
		t.Errorf("put while reads fail: %v", err)
	}
	s.FailReads(nil)
	if _, err := s.Get(ctx, "k"); err != nil {
		t.Errorf("get when it works again: %v", err)
	}
}

func TestElections(t *testing.T) {
	storetest.RunElector(t, func(testing.TB) storetest.Electing { return memory.New() })
}

func TestDepose(t *testing.T) {
	s := memory.New()
	s.Depose() // nobody leads: nothing happens
	first, err := s.Campaign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Depose()
	<-first.Done
	second, err := s.Campaign(t.Context())
	if err != nil || second.N <= first.N {
		t.Errorf("after a deposition term %d, %v; want one after %d", second.N, err, first.N)
	}
}

func TestElectionNeedsWrites(t *testing.T) {
	s := memory.New()
	s.Fail(errors.New("away"))
	if _, err := s.Campaign(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("campaign while writes fail: %v, want ErrUnavailable", err)
	}
	s.Fail(nil)
	if _, err := s.Campaign(t.Context()); err != nil {
		t.Errorf("campaign when it works again: %v", err)
	}
}
