package config

import (
	"path/filepath"

	"gopkg.in/yaml.v3"
)

// parser reads one file and collects what is wrong with it.
type parser struct {
	file     string
	nodes    int  // values met so far, aliases followed
	stopped  bool // a bound was passed: nothing more is read
	problems Problems
	told     map[place]bool

	pools        []string // of all services
	flagNames    []string
	keyed        map[string]bool // flags that tell users apart by a key
	asked        []*node         // names of flags in the conditions of others
	flagServices []flagService
	routes       map[route]owner // who answers which host and path
	calls        []called        // what is called from here
}

// Parse reads the bytes of a file, fills in every default and checks every rule. It touches neither
// disk nor network, but for the time zones of the system: relative file names in it are joined to the folder of file, unless file is "", and
// not opened. When anything is wrong the error is Problems, with all of it.
func Parse(file string, data []byte) (*Config, error) {
	p := &parser{file: file, told: map[place]bool{}, routes: map[route]owner{}, keyed: map[string]bool{}}
	c := p.config(data)
	if len(p.problems) > 0 {
		return nil, p.all()
	}
	c.File = file
	c.Digest = Digest(data)
	return c, nil
}

func (p *parser) config(data []byte) *Config {
	y := p.document(data)
	if y == nil {
		return nil
	}
	root := p.expand(y, nil, "", 0)
	if p.stopped {
		return nil
	}
	if root.kind != yaml.MappingNode {
		p.report(root, flaw{"the file is " + kindOf(root) + ", not a mapping", "it begins with a key such as services:"})
		return nil
	}
	o := p.object(root, "listeners", "admin", "state", "shutdown", "trust", "defaults", "services", "flags", "log", "metrics", "outbound")
	c := &Config{
		State:    p.state(o.at("state")),
		Shutdown: p.shutdown(o.at("shutdown")),
		Trust:    p.trust(o.at("trust")),
		Log:      p.log(o.at("log")),
		Metrics:  p.metrics(o.at("metrics")),
		Flags:    p.flags(o.at("flags")),
		Outbound: p.outbound(o.at("outbound")),
		Services: p.services(p.need(o, "services", "name at least one service with its pools"), o.at("defaults")),
	}
	c.Admin = p.admin(o.at("admin"), c.Services)
	c.Services = p.flagged(c.Services)
	c.Listeners = p.listeners(o.at("listeners"))
	p.checkAddresses(o, c)
	p.checkCalls(c)
	return c
}

func (p *parser) state(n *node) State {
	o := p.object(n, "dir")
	s := State{Dir: p.text(o.at("dir"))}
	if s.Dir == "" {
		s.Dir = defaultStateDir
	}
	return s
}

func (p *parser) shutdown(n *node) Shutdown {
	o, d := p.object(n, "delay", "timeout"), defaultShutdown()
	return Shutdown{
		Delay:   p.duration(o.at("delay"), 0, d.Delay),
		Timeout: p.duration(o.at("timeout"), shortest, d.Timeout),
	}
}

func (p *parser) log(n *node) Log {
	o := p.object(n, "level", "access")
	return Log{
		Level:  choice(p, o.at("level"), defaultLogLevel, "debug", "info", "warn", "error"),
		Access: p.boolean(o.at("access")),
	}
}

func (p *parser) metrics(n *node) Metrics {
	return Metrics{Exemplars: p.boolean(p.object(n, "exemplars").at("exemplars"))}
}

// filename reads the name of a file, joined to the folder of this one.
func (p *parser) filename(n *node) string {
	name := p.text(n)
	if name == "" || p.file == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(p.file), name)
}

// name checks what the user called something.
func (p *parser) name(key *node) string {
	if f := nameFlaw(key.value); f != nil {
		p.spoil(key, *f)
	}
	return key.value
}

// checked reads text through one of the functions that judge words.
func (p *parser) checked(n *node, judge func(string) (string, *flaw)) string {
	s := p.text(n)
	if s == "" {
		return ""
	}
	value, f := judge(s)
	if f != nil {
		p.spoil(n, *f)
		return ""
	}
	return value
}
