package control

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
)

// flags compares the flags in force before and after.
func (f *differ) flags() {
	told := map[string]bool{}
	for _, d := range f.plan.flags {
		told[d.name] = true
		last := d.state.Recent[len(d.state.Recent)-1]
		f.flag(d.name, f.used(d.name), "%s", strings.TrimPrefix(last.Sentence, d.name+" "))
	}
	before, after := f.loop.table.Flags, f.plan.table.Flags
	for _, now := range after.Flags {
		was := before.Flag(now.Name)
		switch {
		case told[now.Name]:
		case was == nil:
			f.flag(now.Name, f.used(now.Name), "is new: %s", flags.Say(now.Config))
		case !same(was.Config, now.Config):
			f.flag(now.Name, f.used(now.Name), "changes from %s to %s%s", flags.Say(was.Config), flags.Say(now.Config), sayKilled(now))
		default:
			f.keepsFlag(now)
		}
	}
	for _, was := range before.Flags {
		if after.Flag(was.Name) == nil && !told[was.Name] {
			f.flag(was.Name, f.used(was.Name), "leaves the file: whoever asks for it gets their own default")
		}
	}
	for _, p := range after.Problems {
		if !slices.Contains(before.Problems, p) {
			f.add(api.ConfigChange{Area: "flags", Sentence: p})
		}
	}
}

// keepsFlag says that what was decided at run time stays over the file.
func (f *differ) keepsFlag(now *flags.Flag) {
	file := f.plan.config.Flag(now.Name)
	state := f.loop.flags[now.Name].state
	switch {
	case file != nil && state.Override != nil:
		f.flag(now.Name, false, "keeps what %s set at run time: its definition in the file did not change", state.Override.By)
	case file != nil && !same(f.loop.config.Flag(now.Name), file):
		f.flag(now.Name, false, "changes in a way that nobody sees now%s", sayKilled(now))
	}
}

func sayKilled(f *flags.Flag) string {
	if f.Killed {
		return "; it stays killed"
	}
	return ""
}

// same reports whether two definitions say the same.
func same(a, b *config.Flag) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}

func (f *differ) flag(name string, moves bool, format string, args ...any) {
	f.add(api.ConfigChange{Area: "flags", Flag: name, Moves: moves, Sentence: fmt.Sprintf(format, args...)})
}

// used reports whether a rule or a seed of some service asks a flag.
func (f *differ) used(name string) bool {
	for i := range f.plan.config.Services {
		s := &f.plan.config.Services[i]
		if s.Sticky.Seed.Flag() == name || slices.ContainsFunc(s.Rules, func(r config.Rule) bool { return r.When.Flag == name }) {
			return true
		}
	}
	return false
}

// process compares what is not about one service.
func (f *differ) process() {
	was, now := f.loop.config, f.plan.config
	f.restarts(was, now)
	if !reflect.DeepEqual(was.Admin.Hosts, now.Admin.Hosts) || !reflect.DeepEqual(was.Admin.Tokens, now.Admin.Tokens) {
		f.add(api.ConfigChange{Area: "admin", Sentence: "hosts and tokens change at once"})
	}
	if !reflect.DeepEqual(was.Trust, now.Trust) {
		f.add(api.ConfigChange{Area: "traffic", Moves: !reflect.DeepEqual(was.Trust.Override, now.Trust.Override), Sentence: "whose word is believed changes at once (trust)"})
	}
	for _, part := range []struct {
		key      string
		was, now any
	}{{"log", was.Log, now.Log}, {"outbound", was.Outbound, now.Outbound}, {"shutdown", was.Shutdown, now.Shutdown}} {
		if !reflect.DeepEqual(part.was, part.now) {
			f.add(api.ConfigChange{Area: "other", Sentence: part.key + " changes at once"})
		}
	}
	if r := f.loop.reload; r != nil && r.config.Digest != now.Digest {
		f.add(api.ConfigChange{Area: "other", Sentence: "the file that is on its way into force is given up for this one"})
	}
}

// restarts says what is read at the start of the process only.
func (f *differ) restarts(was, now *config.Config) {
	var keys []string
	if f.loop.o.Restart != nil {
		keys = f.loop.o.Restart(now)
	}
	if slices.Contains(keys, "listeners") {
		f.add(api.ConfigChange{Area: "listeners", Restart: true, Sentence: "take effect at the next start only: " + sayListeners(was, now)})
	} else if !reflect.DeepEqual(was.Listeners, now.Listeners) {
		f.add(api.ConfigChange{Area: "listeners", Sentence: "are again those the process was started with"})
	}
	if slices.Contains(keys, "admin.address") {
		f.add(api.ConfigChange{Area: "admin", Restart: true, Sentence: "the address " + now.Admin.Address + " takes effect at the next start only"})
	}
	if slices.Contains(keys, "state.dir") {
		f.add(api.ConfigChange{
			Area: "state", Restart: true,
			Sentence: "state.dir " + now.State.Dir + " takes effect at the next start only; what it remembers counts then, not what is known now",
		})
	}
}

// sayListeners names those that differ.
func sayListeners(was, now *config.Config) string {
	before := map[string]config.Listener{}
	for _, l := range was.Listeners {
		before[l.Name] = l
	}
	var said []string
	for _, l := range now.Listeners {
		old, known := before[l.Name]
		delete(before, l.Name)
		switch {
		case !known:
			said = append(said, l.Name+" is new at "+l.Address)
		case old.Address != l.Address:
			said = append(said, fmt.Sprintf("%s moves from %s to %s", l.Name, old.Address, l.Address))
		case !reflect.DeepEqual(old, l):
			said = append(said, l.Name+" changes")
		}
	}
	for _, name := range sortedKeys(before) {
		said = append(said, name+" leaves")
	}
	if said == nil {
		return "they differ from those the process was started with"
	}
	return strings.Join(said, ", ")
}
