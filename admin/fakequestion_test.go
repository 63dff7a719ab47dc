package admin

import (
	"context"

	"github.com/switchback-proxy/switchback/admin/api"
)

func (c *recorder) Explain(_ context.Context, q api.ExplainRequest) (api.Explanation, error) {
	return api.Explanation{Service: "shop", Pool: "blue"}, c.note("explain %s %s %v", q.Host, q.Path, q.Headers)
}

func (c *recorder) Cohort(_ context.Context, q api.CohortRequest) (api.Cohort, error) {
	return api.Cohort{Pool: "green", In: q.Keys}, c.note("cohort %s %s %d", q.Service, q.Flag, len(q.Keys))
}

func (c *recorder) EffectiveConfig() (api.ConfigShown, error) {
	return api.ConfigShown{File: "switchback.yaml", Config: []byte(`{"services":{}}`)}, nil
}

func (c *recorder) CheckConfig(_ context.Context, text []byte) (api.ConfigCheck, error) {
	return api.ConfigCheck{Valid: true}, c.note("check %d", len(text))
}

func (c *recorder) DiffConfig(_ context.Context, text []byte) (api.ConfigDiff, error) {
	return api.ConfigDiff{Outcome: api.OutcomeApplies}, c.note("diff %d", len(text))
}
