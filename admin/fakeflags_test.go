package admin

import (
	"context"

	"github.com/switchback-proxy/switchback/admin/api"
)

func (c *recorder) Flags() api.Flags { return api.Flags{Flags: []api.Flag{flag("checkout")}} }

func flag(name string) api.Flag {
	return api.Flag{Name: name, Tag: "3-abc", Says: "5 % of the users", Layer: "file", Durable: true}
}

func (c *recorder) Flag(name string) (api.Flag, error) {
	if name != "checkout" {
		return api.Flag{}, api.Problem(api.TypeNotFound, "there is no flag %q", name)
	}
	return flag(name), nil
}

func (c *recorder) FlagHistory(name string) (api.FlagHistory, error) {
	_, err := c.Flag(name)
	return api.FlagHistory{Decisions: []api.FlagDecision{}}, err
}

func (c *recorder) EvaluateFlag(_ context.Context, name string, attributes map[string]any) (api.Evaluation, error) {
	return api.Evaluation{Flag: name}, c.note("evaluate %s %v", name, attributes)
}

// flagged answers a write; the flag is new unless it is checkout.
func (c *recorder) flagged(verb, name string, q api.FlagRequest, by api.Call) (api.FlagChange, error) {
	err := c.note("%s %s %s merge:%t reason:%s match:%s new:%t %+v", verb, name, q.Definition, q.Merge, q.Reason, q.IfMatch, q.New, c.who(by))
	return api.FlagChange{Flag: flag(name), Changed: true, Created: name != "checkout", DryRun: by.DryRun, Replayed: c.replayed}, err
}

func (c *recorder) SetFlag(_ context.Context, name string, q api.FlagRequest, by api.Call) (api.FlagChange, error) {
	return c.flagged("set", name, q, by)
}

func (c *recorder) DropFlag(_ context.Context, name string, q api.FlagRequest, by api.Call) (api.FlagChange, error) {
	return c.flagged("drop", name, q, by)
}

func (c *recorder) KillFlag(_ context.Context, name string, q api.FlagRequest, by api.Call) (api.FlagChange, error) {
	return c.flagged("kill", name, q, by)
}

func (c *recorder) RestoreFlag(_ context.Context, name string, q api.FlagRequest, by api.Call) (api.FlagChange, error) {
	return c.flagged("restore", name, q, by)
}
