package main

import (
	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/control"
	"github.com/switchback-proxy/switchback/router"
)

// offline is the table that a file would be started with.
func offline(file string) (*router.Table, error) {
	c, err := config.Load(file)
	if err != nil {
		return nil, err
	}
	return control.FirstTable(c)
}

func explainOffline(file string, q api.ExplainRequest) (api.Explanation, error) {
	t, err := offline(file)
	if err != nil {
		return api.Explanation{}, err
	}
	return control.Explain(t, q)
}

// cohortOffline asks a file about one bunch of keys after the other.
func cohortOffline(file string, q api.CohortRequest) (asker, error) {
	t, err := offline(file)
	if err != nil {
		return nil, err
	}
	about, has, err := control.NewCohort(t, q)
	if err != nil {
		return nil, err
	}
	return func(keys []string) (api.Cohort, error) {
		answer := about
		answer.In = []string{}
		for _, key := range keys {
			in, ok := has(key)
			switch {
			case !ok:
				answer.Refused++
			case in:
				answer.In = append(answer.In, key)
			}
		}
		return answer, nil
	}, nil
}
