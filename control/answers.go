package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/receipt"
	"github.com/switchback-proxy/switchback/rollout"
)

// A request that names a key gets the answer of the first one with that key. The answer lies in the state that the
// request changed and is written with the change, so a crash between the two cannot be. What changed nothing has
// nothing to be written with: its answer is remembered until the process ends.

// keepUnchanged bounds the answers to requests that changed nothing.
const keepUnchanged = 256

// unchanged is the answer to a request that changed nothing.
type unchanged struct {
	source string
	receipt.Receipt
}

// reloads is the source of answers to reloads.
const reloads = "config"

// keyOf identifies who asked with which key; "" when no key was named. Callers do not meet by chance.
func keyOf(call api.Call) string {
	if call.Key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(call.By + "\n" + call.Key))
	return hex.EncodeToString(sum[:16])
}

// answered is the receipt of an earlier request with the key of a call. A key that was used for something else is
// an error.
func (v *view) answered(call api.Call, source string, now time.Time) (receipt.Receipt, bool, error) {
	key := keyOf(call)
	if key == "" || call.DryRun {
		return receipt.Receipt{}, false, nil
	}
	found, at := receipt.Receipt{}, ""
	look := func(place string, list []receipt.Receipt) {
		if r, ok := receipt.Find(list, key, now); ok {
			found, at = r, place
		}
	}
	for _, u := range v.unchanged {
		look(u.source, []receipt.Receipt{u.Receipt})
	}
	for name, rec := range v.records {
		look(prefix+name, rec.state.Answers)
	}
	for name, rec := range v.flags {
		look(flagPrefix+name, rec.state.Answers)
	}
	switch {
	case at == "":
		return found, false, nil
	case at != source || found.Request != call.Request:
		p := api.Problem(api.TypeInvalid, "the Idempotency-Key %q was used at %s for another request; every request needs a key of its own", call.Key, found.At.Format(time.RFC3339))
		p.Status = 422 // as the draft of the field has it, which tells it from a request that is wrong by itself
		return found, false, p
	}
	return found, true, nil
}

// known is what is known now, to look for answers in.
func (l *Loop) known() *view {
	return &view{records: l.records, flags: l.flags, unchanged: l.unchanged}
}

// replayed is the first answer again.
func (l *Loop) replayed(service string, r receipt.Receipt) (api.Change, error) {
	var c api.Change
	if err := json.Unmarshal(r.Body, &c); err != nil {
		return c, err
	}
	rec := l.records[service]
	c.Revision, c.Durable, c.Replayed = r.Revision, !rec.ahead, true
	if c.Revision == 0 {
		c.Revision = int64(rec.revision)
	}
	return c, nil
}

// signed is a state with the answer to the command that made it.
func (l *Loop) signed(s rollout.State, call api.Call, at time.Time, answer any) rollout.State {
	if r, ok := receiptOf(call, at, 0, answer); ok {
		s.Answers = receipt.Add(s.Answers, r)
	}
	return s
}

func receiptOf(call api.Call, at time.Time, revision int64, answer any) (receipt.Receipt, bool) {
	key := keyOf(call)
	if key == "" || call.DryRun {
		return receipt.Receipt{}, false
	}
	body, err := json.Marshal(answer)
	if err != nil || len(body) > receipt.MaxBody {
		return receipt.Receipt{}, false
	}
	return receipt.Receipt{Key: key, Request: call.Request, At: at.Round(0).UTC(), Revision: revision, Body: body}, true
}

// keepAnswer keeps the answer to a request that changed nothing.
func (l *Loop) keepAnswer(source string, call api.Call, at time.Time, revision int64, answer any) {
	if r, ok := receiptOf(call, at, revision, answer); ok {
		// A view may hold the list: it is never changed in place.
		l.unchanged = append(l.unchanged[max(0, len(l.unchanged)-keepUnchanged+1):len(l.unchanged):len(l.unchanged)], unchanged{source, r})
	}
}

// dated is the state of a service, to go on from: its answers know which revision they came with.
func (l *Loop) dated(service string) rollout.State {
	rec := l.records[service]
	if !rec.ahead {
		rec.state.Answers = receipt.Dated(rec.state.Answers, int64(rec.revision))
	}
	return rec.state
}

// foreseen is the answer to a command that would make next the state of a service.
func (l *Loop) foreseen(svc *config.Service, next rollout.State) api.Change {
	was, rec := l.table.Service(svc.Name), l.records[svc.Name]
	after := next.InForce()
	c := api.Change{
		Service: svc.Name, Revision: int64(rec.revision), Durable: true, Changed: true,
		Previous: percent(svc, was.Weights), Weights: percent(svc, after), InFlight: map[string]int64{},
	}
	for _, p := range was.Pools {
		if p.Weight > 0 && after[p.Name] == 0 {
			c.InFlight[p.Name] = p.InFlight()
		}
	}
	if possible, _ := rollout.Undo(svc, next, facts(was)); possible {
		c.Undo = undo(svc.Name)
	}
	return c
}

// replayReload is the first answer to a reload again.
func (l *Loop) replayReload(ctx context.Context, call api.Call) (answer api.Reload, found bool, err error) {
	failed := l.do(ctx, func() {
		var r receipt.Receipt
		if r, found, err = l.known().answered(call, reloads, l.o.Now()); found {
			err = json.Unmarshal(r.Body, &answer)
			answer.Replayed = true
		}
	})
	if failed != nil {
		err = failed
	}
	return answer, found, err
}
