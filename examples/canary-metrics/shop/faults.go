package main

import (
	"fmt"
	"strings"
	"sync/atomic"
)

// faultNames are the ways in which a version can be bad. None of them is an error that a client sees.
const faultNames = "cpu, leak, db, checkout, mails, receipt"

// faults are those of one version. They may be changed while it runs.
type faults struct {
	cpu      atomic.Bool // twice the work for each request
	leak     atomic.Bool // keeps memory of each request
	db       atomic.Bool // a report keeps the database busy most of the time
	checkout atomic.Bool // half of the customers cannot order
	mails    atomic.Bool // mails are not sent any more
	receipt  atomic.Bool // the sum on the receipt is wrong
}

// set makes exactly the named ones true, separated by commas.
func (f *faults) set(names string) error {
	all := map[string]*atomic.Bool{
		"cpu": &f.cpu, "leak": &f.leak, "db": &f.db, "checkout": &f.checkout, "mails": &f.mails, "receipt": &f.receipt,
	}
	wanted := map[string]bool{}
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		if name != "" && all[name] == nil {
			return fmt.Errorf("%q is no fault; there are %s", name, faultNames)
		}
		wanted[name] = true
	}
	for name, on := range all {
		on.Store(wanted[name])
	}
	return nil
}
