package control

import (
	"encoding/json"
	"maps"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/flags"
	"github.com/switchback-proxy/switchback/receipt"
)

// foreseenFlag is what a flag would say with another state. It changes nothing.
func (l *Loop) foreseenFlag(name string, s flags.State) (api.FlagChange, error) {
	table, err := l.compile(l.config, l.table, next{flags: map[string]flags.State{name: s}})
	if err != nil {
		return api.FlagChange{}, err
	}
	v := &view{config: l.config, table: table, records: l.records, flags: maps.Clone(l.flags)}
	v.flags[name] = flagRecord{state: s, revision: l.flags[name].revision}
	return api.FlagChange{Flag: v.flag(name)}, nil
}

// signedFlag is a state with the answer to the command that made it. An answer that is too long is left out but
// for the facts that cannot be told afterwards.
func signedFlag(s flags.State, call api.Call, at time.Time, answer api.FlagChange) flags.State {
	r, ok := receiptOf(call, at, 0, answer)
	if !ok {
		r, ok = receiptOf(call, at, 0, api.FlagChange{Changed: answer.Changed, Created: answer.Created})
	}
	if ok {
		s.Answers = receipt.Add(s.Answers, r)
	}
	return s
}

// replayedFlag is the first answer again.
func (l *Loop) replayedFlag(name string, r receipt.Receipt) (api.FlagChange, error) {
	var c api.FlagChange
	if err := json.Unmarshal(r.Body, &c); err != nil {
		return c, err
	}
	rec := l.flags[name]
	if c.Name == "" {
		c.Flag = l.view.Load().flag(name)
	} else if c.Tag != "" {
		revision := r.Revision
		if revision == 0 {
			revision = int64(rec.revision)
		}
		if string(c.File) == "null" {
			c.File = nil // as it was before it was written
		}
		c.Tag = tag(revision, &c.Flag)
	}
	c.Durable, c.Replayed = !rec.ahead, true
	return c, nil
}

// datedFlag is the state of a flag, to go on from: its answers know which revision they came with.
func (l *Loop) datedFlag(name string) flags.State {
	rec := l.flags[name]
	if !rec.ahead {
		rec.state.Answers = receipt.Dated(rec.state.Answers, int64(rec.revision))
	}
	return rec.state
}
