package control

import (
	"context"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/rollout"
)

// foreseeReload reads the file and says what it would change, or why it would not come into force. Nobody hears
// of it: the file that is there when somebody asks for a reload may be another.
func (l *Loop) foreseeReload(ctx context.Context) (api.Reload, error) {
	c, err := config.Load(l.view.Load().config.File)
	if err != nil {
		return api.Reload{}, api.Problem(api.TypeInvalid, "%v", err)
	}
	var answer api.Reload
	if failed := l.do(ctx, func() { answer, err = l.foresee(c) }); failed != nil {
		err = failed
	}
	return answer, problem(err)
}

func (l *Loop) foresee(c *config.Config) (api.Reload, error) {
	answer := api.Reload{Digest: c.Digest, Changed: c.Digest != l.config.Digest, Moved: []api.Change{}, DryRun: true}
	if !answer.Changed {
		return answer, nil
	}
	p, err := l.plan(c, l.o.Now(), l.table)
	if err != nil {
		return api.Reload{}, err
	}
	if pools := starved(l.table, p.table); len(pools) > 0 {
		problem := api.Problem(api.TypePoolNotReady, "%s; the reload would wait", sayStarved(pools))
		problem.Targets = notUp(pools)
		return api.Reload{}, problem
	}
	for _, d := range p.drafts {
		if change, moves := l.foreseenMove(c, d.service, d.state); moves {
			answer.Moved = append(answer.Moved, change)
		}
	}
	return answer, nil
}

// foreseenMove is moved for a state that is not in force.
func (l *Loop) foreseenMove(c *config.Config, service string, s rollout.State) (api.Change, bool) {
	was := l.table.Service(service)
	if was == nil || was.Weights.Equal(s.InForce()) {
		return api.Change{}, false
	}
	change := l.foreseen(c.Service(service), s)
	change.DryRun = true
	return change, true
}
