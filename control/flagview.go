package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
)

// Flags is every flag, sorted by name.
func (l *Loop) Flags() api.Flags {
	v := l.view.Load()
	all := api.Flags{Flags: []api.Flag{}}
	for _, f := range v.table.Flags.Flags {
		all.Flags = append(all.Flags, v.flag(f.Name))
	}
	return all
}

// Flag is one flag, or a not-found *api.Error.
func (l *Loop) Flag(name string) (api.Flag, error) {
	v := l.view.Load()
	if v.table.Flags.Flag(name) == nil {
		return api.Flag{}, unknownFlag(name)
	}
	return v.flag(name), nil
}

// FlagHistory is what is remembered of the decisions about a flag, also of one that is gone.
func (l *Loop) FlagHistory(name string) (api.FlagHistory, error) {
	v := l.view.Load()
	s := v.flags[name].state
	if s.Empty() && v.table.Flags.Flag(name) == nil {
		return api.FlagHistory{}, unknownFlag(name)
	}
	h := api.FlagHistory{Decisions: []api.FlagDecision{}}
	for _, d := range s.Recent {
		h.Decisions = append(h.Decisions, api.FlagDecision{Decided: *decided(&d.Cause), Type: string(d.Type), From: d.Remote, Sentence: d.Sentence})
	}
	return h, nil
}

// EvaluateFlag is what a flag answers for a context.
func (l *Loop) EvaluateFlag(_ context.Context, name string, attributes map[string]any) (api.Evaluation, error) {
	f := l.view.Load().table.Flags.Flag(name)
	if f == nil {
		return api.Evaluation{}, unknownFlag(name)
	}
	key, _ := attributes["targetingKey"].(string)
	r := f.Evaluate(&flags.Context{Key: key, Attributes: attributes})
	if r.Missing() {
		return api.Evaluation{Flag: name, Error: "TARGETING_KEY_MISSING"}, nil
	}
	return api.Evaluation{Flag: name, Value: r.Variant.Value, Variant: r.Variant.Name, Reason: string(r.Reason)}, nil
}

// flag is one flag as it is now; of one that is not there only the name.
func (v *view) flag(name string) api.Flag {
	rec, file := v.flags[name], v.config.Flag(name)
	out := api.Flag{Name: name, Durable: !rec.ahead, Killed: decided(rec.state.Killed)}
	f := v.table.Flags.Flag(name)
	if f == nil {
		return out
	}
	if file != nil {
		out.File, _ = json.Marshal(file) // it was read from text
	}
	shown := *f.Config
	shown.Value = f.Value // of a flag with a rollout, that of its weights
	out.Definition, _ = json.Marshal(&shown)
	out.Says = flags.Say(&shown)
	_, layer, _ := rec.state.InForce(file)
	out.Layer = string(layer)
	if o := rec.state.Override; o != nil {
		out.Set = decided(&o.Cause)
	}
	if file != nil && file.Rollout != nil {
		out.Service = config.FlagService(name)
		if i := v.records[out.Service].state.Intent; i != nil {
			out.Layer, out.Set = string(flags.FromRuntime), &api.Decided{By: i.By, At: i.At, Reason: i.Reason}
		}
	}
	for _, other := range f.Config.References() {
		if v.table.Flags.Flag(other) == nil {
			out.Problems = append(out.Problems, "targeting asks flag "+other+", which is not there")
		}
	}
	out.Tag = tag(int64(rec.revision), &out)
	return out
}

// tag tells what a flag says from what it said before, whoever changed it.
func tag(revision int64, f *api.Flag) string {
	sum := sha256.New()
	sum.Write(f.Definition)
	sum.Write(f.File)
	if f.Killed != nil {
		sum.Write([]byte("killed"))
	}
	return strconv.FormatInt(revision, 10) + "-" + hex.EncodeToString(sum.Sum(nil)[:6])
}

func decided(c *flags.Cause) *api.Decided {
	if c == nil {
		return nil
	}
	return &api.Decided{By: c.By, At: c.At, Reason: c.Reason}
}
