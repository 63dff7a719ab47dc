package rollout

import (
	"slices"
	"strings"

	"github.com/switchback-proxy/switchback/config"
)

// resolve turns a pool name or a role into a pool.
func (s State) resolve(svc *config.Service, name string) (string, error) {
	switch name {
	case config.RoleBaseline, config.RoleLive:
		return s.Baseline, nil
	case config.RoleCandidate, config.RoleIdle:
		if c := s.Candidate(); c != "" && svc.Pool(c) != nil {
			return c, nil
		}
		return s.other(svc, name)
	case "":
		return "", refuse(Invalid, "name the pool, one of %s", strings.Join(poolNames(svc), ", "))
	}
	if svc.Pool(name) == nil {
		return "", unknownPool(svc, name)
	}
	return name, nil
}

// other is the pool beside the baseline: of two pools the other one; of more, for idle, the only one
// with no weight.
func (s State) other(svc *config.Service, role string) (string, error) {
	others := slices.DeleteFunc(poolNames(svc), func(name string) bool { return name == s.Baseline })
	if len(others) > 1 && role == config.RoleIdle {
		w := s.InForce()
		others = slices.DeleteFunc(others, func(name string) bool { return w[name] > 0 })
	}
	switch {
	case len(others) == 1:
		return others[0], nil
	case len(others) == 0:
		return "", refuse(Invalid, "no pool of %s is %s; name one of %s", svc.Name, role, strings.Join(poolNames(svc), ", "))
	}
	return "", refuse(Invalid, "%s could be any of %s; name one", role, strings.Join(others, ", "))
}

func poolNames(svc *config.Service) []string {
	names := make([]string, len(svc.Pools))
	for i, p := range svc.Pools {
		names[i] = p.Name
	}
	return names
}

func unknownPool(svc *config.Service, name string) *Refusal {
	names := poolNames(svc)
	for _, known := range names {
		if distance(name, known) <= max(1, len(known)/3) {
			return refuse(Invalid, "%s has no pool %q; did you mean %q?", svc.Name, name, known)
		}
	}
	return refuse(Invalid, "%s has no pool %q; it has %s", svc.Name, name, strings.Join(names, ", "))
}

// distance counts the letters to insert, delete or replace to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
