package control

import (
	"context"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
	"github.com/switchback-proxy/switchback/router"
)

// Cohort says who of some users meets the candidate of a service, or has a flag. It changes nothing.
func (l *Loop) Cohort(_ context.Context, q api.CohortRequest) (api.Cohort, error) {
	return Cohort(l.view.Load().table, q)
}

// Cohort says who of some users is in, under a table. An error is an *api.Error.
func Cohort(t *router.Table, q api.CohortRequest) (api.Cohort, error) {
	out, asked, err := NewCohort(t, q)
	if err != nil {
		return api.Cohort{}, err
	}
	for _, key := range q.Keys {
		in, ok := asked(key)
		switch {
		case !ok:
			out.Refused++
		case in:
			out.In = append(out.In, key)
		}
	}
	return out, nil
}

// NewCohort is Cohort for users who come one after the other: has says whether a key is in, and ok whether a request
// can bring it. The keys of q are not looked at.
func NewCohort(t *router.Table, q api.CohortRequest) (out api.Cohort, has func(key string) (in, ok bool), err error) {
	switch {
	case q.Flag != "" && (q.Service != "" || q.Weight != nil):
		err = api.Problem(api.TypeInvalid, "name a service with weight, or a flag with value, not both")
	case q.Flag != "":
		out, has, err = flagCohort(t, q)
	case q.Value != nil:
		err = api.Problem(api.TypeInvalid, "value is of a flag; the percentage of a service is its weight")
	default:
		out, has, err = serviceCohort(t, q)
	}
	out.In = []string{}
	return out, has, err
}

func serviceCohort(t *router.Table, q api.CohortRequest) (api.Cohort, func(string) (bool, bool), error) {
	s := t.Service(q.Service)
	if s == nil || s.Config.Of != "" {
		return api.Cohort{}, nil, unknownService(q.Service)
	}
	var w config.Weight
	if s.Candidate != nil {
		w = s.Candidate.Weight
	}
	if err := percentage(&w, q.Weight, "weight"); err != nil {
		return api.Cohort{}, nil, err
	}
	c, err := s.Cohort(w)
	if err != nil {
		return api.Cohort{}, nil, api.Problem(api.TypeInvalid, "%s: %v", s.Name, err)
	}
	has := func(key string) (in, ok bool) { return c.Has(key), c.Accepts(key) }
	return api.Cohort{Pool: c.Candidate.Name, Percent: w.Percent(), Hashed: c.Hashed}, has, nil
}

// percentage reads what a request says of a percentage, if it does.
func percentage(w *config.Weight, given *float64, what string) error {
	if given == nil {
		return nil
	}
	var err error
	if *w, err = config.ParseWeight(*given); err != nil {
		return api.Problem(api.TypeInvalid, "%s is not a percentage: %v", what, err)
	}
	return nil
}

// flagCohort asks the flag as it is, or as it would be with another percentage.
func flagCohort(t *router.Table, q api.CohortRequest) (api.Cohort, func(string) (bool, bool), error) {
	f := t.Flags.Flag(q.Flag)
	if f == nil {
		return api.Cohort{}, nil, unknownFlag(q.Flag)
	}
	if q.Value != nil {
		var w config.Weight
		if err := percentage(&w, q.Value, "value"); err != nil {
			return api.Cohort{}, nil, err
		}
		if f.Killed {
			return api.Cohort{}, nil, api.Problem(api.TypeInvalid, "flag %s is killed: nobody has it, whatever the percentage", f.Name)
		}
		f = withShare(t.Flags, f, w)
	}
	out := api.Cohort{Percent: f.Value.Percent(), Hashed: f.Prefix()}
	return out, func(key string) (in, ok bool) {
		return f.Evaluate(&flags.Context{Key: key}).Has, key != "" && len(key) <= router.MaxKey
	}, nil
}

// withShare is a flag with another percentage, among the flags that it may ask.
func withShare(set *flags.Set, f *flags.Flag, w config.Weight) *flags.Flag {
	var all []flags.Definition
	for _, other := range set.Flags {
		d := flags.Definition{Flag: other.Config, Killed: other.Killed, Share: &other.Value}
		if other == f {
			shown := *f.Config
			shown.Strategy = config.ByPercentage
			d.Flag, d.Share = &shown, &w
		}
		all = append(all, d)
	}
	return flags.Compile(all, nil).Flag(f.Name)
}
