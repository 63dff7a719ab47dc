package main

import (
	"context"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/switchback-proxy/switchback/admin/api"
)

// flagsCmd is the script command flags FILE: the flags that the server shows from now on, and what writes to
// the first of them answer.
func flagsCmd(ts *testscript.TestScript, _ bool, args []string) {
	f := fakeOf(ts)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flags, f.problem = api.Flags{}, nil
	load(ts, args[0], &f.flags)
}

func (f *fake) Flags() api.Flags {
	if l := f.real(); l != nil {
		return l.Flags()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.flags
}

func (f *fake) Flag(name string) (api.Flag, error) {
	for _, flag := range f.Flags().Flags {
		if flag.Name == name {
			return flag, nil
		}
	}
	return api.Flag{}, api.Problem(api.TypeNotFound, "there is no flag %q", name)
}

func (f *fake) FlagHistory(name string) (api.FlagHistory, error) {
	flag, err := f.Flag(name)
	if err != nil || flag.Killed == nil {
		return api.FlagHistory{Decisions: []api.FlagDecision{}}, err
	}
	return api.FlagHistory{Decisions: []api.FlagDecision{{Decided: *flag.Killed, Type: api.EventFlagKilled, Sentence: name + " killed"}}}, nil
}

func (f *fake) EvaluateFlag(_ context.Context, name string, attributes map[string]any) (api.Evaluation, error) {
	_, _ = f.did("evaluate", name, attributes, api.Call{})
	e := api.Evaluation{Flag: name, Value: []byte("true"), Variant: "on", Reason: "SPLIT"}
	if attributes["targetingKey"] == nil {
		e = api.Evaluation{Flag: name, Error: "TARGETING_KEY_MISSING"}
	}
	return e, nil
}

// flagged writes a command down and answers with the flag as it is shown.
func (f *fake) flagged(verb, name string, q api.FlagRequest, c api.Call) (api.FlagChange, error) {
	if _, err := f.did(verb, name, q, c); err != nil {
		return api.FlagChange{}, err
	}
	flag, err := f.Flag(name)
	if err != nil {
		return api.FlagChange{Flag: api.Flag{Name: name, Durable: true}, Changed: true}, nil
	}
	return api.FlagChange{Flag: flag, Changed: flag.Tag != "same"}, nil
}

func (f *fake) SetFlag(_ context.Context, name string, q api.FlagRequest, c api.Call) (api.FlagChange, error) {
	return f.flagged("set", name, q, c)
}

func (f *fake) DropFlag(_ context.Context, name string, q api.FlagRequest, c api.Call) (api.FlagChange, error) {
	return f.flagged("drop-flag", name, q, c)
}

func (f *fake) KillFlag(_ context.Context, name string, q api.FlagRequest, c api.Call) (api.FlagChange, error) {
	return f.flagged("kill", name, q, c)
}

func (f *fake) RestoreFlag(_ context.Context, name string, q api.FlagRequest, c api.Call) (api.FlagChange, error) {
	return f.flagged("restore", name, q, c)
}
