package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/semver"
	"gopkg.in/yaml.v3"
)

// maxConditions bounds what one flag has to look at for a user.
const maxConditions = 500

func (p *parser) targeting(f *Flag, n *node) []FlagRule {
	items := p.list(n)
	if len(items) > maxFlagRules {
		p.spoil(n, flaw{fmt.Sprintf("has %d entries", len(items)), fmt.Sprintf("at most %d; in takes a list of values", maxFlagRules)})
		return nil
	}
	var all []FlagRule
	left := maxConditions
	for _, item := range items {
		o := p.object(item, "when", "variant", "value")
		t := FlagRule{Value: Full}
		if at := p.need(o, "when", "say which users: {attribute: plan, in: [pro]}"); at != nil {
			t.When = p.condition(at, &left)
		}
		if at := o.at("variant"); at != nil {
			t.Variant = p.text(at)
			p.checkVariant(f, at)
		}
		if at := o.at("value"); at != nil {
			t.Value = p.percent(at)
		}
		all = append(all, t)
	}
	if left < 0 {
		p.report(n, flaw{"has too many conditions", fmt.Sprintf("at most %d", maxConditions)})
	}
	return all
}

// condition reads one of the four forms.
func (p *parser) condition(n *node, left *int) Condition {
	const forms = "write one of {attribute: NAME, …}, {flag: NAME}, {all: […]} and {any: […]}"
	*left--
	o := p.object(n, "all", "any", "flag", "attribute", "equals", "in", "prefix", "suffix", "semver")
	var c Condition
	if n.kind != yaml.MappingNode || n.bad {
		return c
	}
	if given := o.given("all", "any", "flag", "attribute"); len(given) != 1 {
		p.report(n, flaw{conditionFlaw(given), forms})
		return c
	}
	c.All, c.Any = p.conditions(o.at("all"), left), p.conditions(o.at("any"), left)
	if at := o.at("flag"); at != nil {
		c.Flag = p.text(at)
		p.asked = append(p.asked, at)
	}
	p.comparison(&c, o)
	return c
}

func conditionFlaw(given []string) string {
	if len(given) == 0 {
		return "has neither attribute nor flag, all or any"
	}
	return "has " + strings.Join(given, " and ")
}

func (p *parser) conditions(n *node, left *int) []Condition {
	var all []Condition
	for _, item := range p.list(n) {
		all = append(all, p.condition(item, left))
	}
	if n != nil && !n.bad && len(all) == 0 {
		p.report(n, flaw{"lists no condition", "remove it or fill it in"})
	}
	return all
}

// comparison reads an attribute and the one way in which it is compared.
func (p *parser) comparison(c *Condition, o object) {
	ways := []string{"equals", "in", "prefix", "suffix", "semver"}
	given, attribute := o.given(ways...), o.at("attribute")
	switch {
	case attribute == nil && len(given) > 0:
		p.report(o.at(given[0]), flaw{given[0] + " needs an attribute", "write {attribute: plan, " + given[0] + ": …}"})
		return
	case attribute == nil:
		return
	case len(given) == 0:
		p.report(o.node, flaw{"does not say how to compare the attribute", "add one of " + oneOf(ways)})
		return
	case len(given) > 1:
		p.report(o.node, flaw{"compares by " + strings.Join(given, " and "), "keep one, or write {all: […]}"})
		return
	}
	c.Attribute = p.checked(attribute, attributeName)
	c.Equals = p.scalar(o.at("equals"))
	for _, item := range p.list(o.at("in")) {
		if v := p.scalar(item); v != nil {
			c.In = append(c.In, v)
		}
	}
	if in := o.at("in"); in != nil && !in.bad && len(in.items) == 0 {
		p.report(in, flaw{"is empty, so nothing can match", "remove it or fill it in"})
	}
	c.Prefix, c.Suffix = p.text(o.at("prefix")), p.text(o.at("suffix"))
	c.Semver = p.checked(o.at("semver"), semverRange)
}

func attributeName(s string) (string, *flaw) {
	if len(s) > maxUserKey {
		return "", &flaw{"is too long", fmt.Sprintf("at most %d bytes", maxUserKey)}
	}
	return s, nil
}

// scalar is a value that an attribute can be compared with.
func (p *parser) scalar(n *node) json.RawMessage {
	if n != nil && !n.bad && n.kind != yaml.ScalarNode {
		p.spoil(n, flaw{"is " + kindOf(n) + ", not a value", "write text, a number or a boolean; in: […] takes several"})
	}
	if n == nil || !p.expect(n, yaml.ScalarNode, "a value") {
		return nil
	}
	return p.value(n)
}

// semverRange is comparisons that all have to hold, separated by blanks.
func semverRange(s string) (string, *flaw) {
	bad := &flaw{quote(s) + " is not a range of versions", `write it like ">=2.1.0 <3.0.0", "^2.1" or "~2.1.3"`}
	parts := strings.Fields(s)
	if len(parts) == 0 {
		return "", bad
	}
	for _, part := range parts {
		if _, ok := ParseComparison(part); !ok {
			return "", bad
		}
	}
	return strings.Join(parts, " "), nil
}

// Comparison is one of a range of versions.
type Comparison struct {
	Operator string // = != < <= > >= ^ or ~
	Version  string // with a v in front, as golang.org/x/mod/semver has it
	Below    string // of ^ and ~: the first version that is too late
}

// ParseComparison reads one comparison of a range. A version alone is compared by =.
func ParseComparison(s string) (c Comparison, ok bool) {
	c.Operator = s[:len(s)-len(strings.TrimLeft(s, "=!<>^~"))]
	c.Version = "v" + strings.TrimPrefix(s[len(c.Operator):], "v")
	if c.Operator == "" {
		c.Operator = "="
	}
	if !slices.Contains([]string{"=", "!=", "<", "<=", ">", ">=", "^", "~"}, c.Operator) || !semver.IsValid(c.Version) {
		return c, false
	}
	if c.Operator == "^" || c.Operator == "~" {
		c.Below, ok = tooLate(c.Operator, c.Version)
		return c, ok
	}
	return c, true
}

// tooLate is the first version that ^ or ~ does not admit, as package managers read them: ~ lets the last
// number grow, but at most the third and, when only the first is written, that one's followers; ^ lets
// everything grow behind the first number that is not 0.
func tooLate(operator, version string) (string, bool) {
	core, _, _ := strings.Cut(version[1:], "+")
	core, _, _ = strings.Cut(core, "-")
	var numbers []int
	for part := range strings.SplitSeq(core, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return "", false
		}
		numbers = append(numbers, n)
	}
	fixed := min(len(numbers), 2) - 1
	if operator == "^" {
		if fixed = slices.IndexFunc(numbers, func(n int) bool { return n > 0 }); fixed < 0 {
			fixed = len(numbers) - 1
		}
	}
	next := [3]int{}
	copy(next[:], numbers[:fixed+1])
	next[fixed]++
	return fmt.Sprintf("v%d.%d.%d-0", next[0], next[1], next[2]), true
}
