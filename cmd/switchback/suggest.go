package main

import (
	"context"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

// only is a suggestion for the first argument, where there is no other.
func only(s suggest) suggest {
	return func(ctx context.Context, c *api.Client, args []string) []cobra.Completion {
		if len(args) > 0 {
			return nil
		}
		return s(ctx, c, args)
	}
}

func serviceNames(ctx context.Context, c *api.Client, _ []string) []cobra.Completion {
	o, err := c.Overview(ctx)
	if err != nil {
		return nil
	}
	var all []cobra.Completion
	for _, s := range o.Services {
		all = append(all, word(s.Name, weights(s.Weights.InForce, s.Order)))
	}
	return all
}

func flagNames(ctx context.Context, c *api.Client, _ []string) []cobra.Completion {
	flags, err := c.Flags(ctx)
	if err != nil {
		return nil
	}
	var all []cobra.Completion
	for _, f := range flags.Flags {
		all = append(all, word(f.Name, f.Says))
	}
	return all
}

// flagThenShare is for flag set: the flag, and then who has it.
func flagThenShare(ctx context.Context, c *api.Client, args []string) []cobra.Completion {
	switch len(args) {
	case 0:
		return flagNames(ctx, c, nil)
	case 1:
		return []cobra.Completion{word("none", "nobody"), word("all", "everybody")}
	}
	return nil
}

// aboutServices are the services that a command line is about: the one it names, else all there are. Those that
// stand for a flag count only when they are named.
func aboutServices(ctx context.Context, c *api.Client, named []string) []api.Service {
	if len(named) > 0 {
		s, err := c.Service(ctx, named[0])
		if err != nil {
			return nil
		}
		return []api.Service{s}
	}
	o, err := c.Overview(ctx)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(o.Services, func(s api.Service) bool { return s.Flag != "" })
}

// poolsOf calls each for every pool of the services, by service and then in file order.
func poolsOf(all []api.Service, each func(s api.Service, name string, p api.Pool)) {
	for _, s := range all {
		order := s.Order
		if len(order) == 0 {
			order = slices.Sorted(maps.Keys(s.Pools))
		}
		for _, name := range order {
			each(s, name, s.Pools[name])
		}
	}
}

func poolNames(ctx context.Context, c *api.Client, args []string) []cobra.Completion {
	var all []cobra.Completion
	seen := map[string]bool{}
	poolsOf(aboutServices(ctx, c, args), func(s api.Service, name string, p api.Pool) {
		if !seen[name] {
			seen[name] = true
			all = append(all, word(name, p.Version+" "+percent(s.Weights.InForce[name])))
		}
	})
	return all
}

func versions(ctx context.Context, c *api.Client, args []string) []cobra.Completion {
	var all []cobra.Completion
	poolsOf(aboutServices(ctx, c, args), func(s api.Service, name string, p api.Pool) {
		if p.Version != "" {
			all = append(all, word(p.Version, s.Name+" "+name))
		}
	})
	return all
}

// serviceOrShares is for weights: a service, unless there is only one, and then pool= for each pool that
// has none yet.
func serviceOrShares(ctx context.Context, c *api.Client, args []string) []cobra.Completion {
	named, given, err := parseWeights(args)
	if err != nil {
		return nil
	}
	if len(args) == 0 {
		if all := serviceNames(ctx, c, nil); len(all) != 1 {
			return all
		}
	}
	var all []cobra.Completion
	poolsOf(aboutServices(ctx, c, named), func(_ api.Service, name string, _ api.Pool) {
		if _, has := given[name]; !has {
			all = append(all, word(name, "")+"=")
		}
	})
	return all
}
