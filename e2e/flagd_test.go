//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"

	"github.com/open-feature/flagd/core/pkg/evaluator"
	"github.com/open-feature/flagd/core/pkg/logger"
	"github.com/open-feature/flagd/core/pkg/store"
	"github.com/open-feature/flagd/core/pkg/sync"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
)

// flagd is the evaluator of flagd itself with the given flags, as its files have them.
func flagd(tb testing.TB, definitions map[string]any) *evaluator.JSON {
	tb.Helper()
	text, err := json.Marshal(map[string]any{"flags": definitions})
	if err != nil {
		tb.Fatal(err)
	}
	log := logger.NewLogger(nil, false)
	s, err := store.NewStore(log, []string{"test"})
	if err != nil {
		tb.Fatal(err)
	}
	e := evaluator.NewJSON(log, s)
	if err := e.SetState(sync.DataSync{FlagData: string(text), Source: "test"}); err != nil {
		tb.Fatal(err)
	}
	return e
}

// ours is a set with one flag.
func ours(tb testing.TB, name, definition string) *flags.Flag {
	tb.Helper()
	f, err := config.ParseFlag(name, []byte(definition))
	if err != nil {
		tb.Fatal(err)
	}
	return flags.Compile([]flags.Definition{{Flag: f}}, nil).Flag(name)
}

// fractional is a flag of flagd: shares in order, in place of weights, and by what users are told apart.
func fractional(variants map[string]any, by any, shares ...any) map[string]any {
	rule := shares
	if by != nil {
		rule = append([]any{by}, shares...)
	}
	return map[string]any{
		"state": "ENABLED", "variants": variants, "defaultVariant": "off", "targeting": map[string]any{"fractional": rule},
	}
}

// keys are what users are called: numbers, addresses, words of any language.
func keys(n int) []string {
	rnd := rand.New(rand.NewPCG(7, 11))
	all := make([]string, n)
	for i := range all {
		switch i % 4 {
		case 0:
			all[i] = fmt.Sprint("user-", i)
		case 1:
			all[i] = fmt.Sprintf("%016x", rnd.Uint64())
		case 2:
			all[i] = fmt.Sprintf("name.%d@example.com", rnd.IntN(1e9))
		default:
			var b strings.Builder
			for range 1 + rnd.IntN(8) {
				if r := rune(0xa1 + rnd.IntN(0x2000)); !unicode.IsSpace(r) { // flagd's cat cuts blanks off the ends
					b.WriteRune(r)
				}
			}
			b.WriteString("ß")
			all[i] = b.String()
		}
	}
	return all
}

// compareFlagd asks both about every user and fails at the first that differ.
func compareFlagd(t *testing.T, name string, f *flags.Flag, e *evaluator.JSON, users []string) (got map[string]int) {
	t.Helper()
	got = map[string]int{}
	for _, u := range users {
		c := flags.Context{Key: u}
		mine := f.Evaluate(&c).Variant.Name
		theirs := e.ResolveAsAnyValue(t.Context(), "", name, map[string]any{"targetingKey": u})
		if theirs.Error != nil {
			t.Fatalf("flagd about %q: %v", u, theirs.Error)
		}
		if mine != theirs.Variant {
			t.Fatalf("%q gets %s here and %s from flagd", u, mine, theirs.Variant)
		}
		got[mine]++
	}
	return got
}

// TestCohortsAreFlagds: who has a flag at a percentage is who has it with flagd.
func TestCohortsAreFlagds(t *testing.T) {
	t.Parallel()
	users := keys(10_000)
	for _, percent := range []float64{0.01, 1, 5, 33.33, 50, 99.99} {
		t.Run(fmt.Sprint(percent), func(t *testing.T) {
			share := int(percent*100 + 0.5)
			e := flagd(t, map[string]any{"new-checkout": fractional(map[string]any{"on": true, "off": false}, nil, []any{"on", share}, []any{"off", 10_000 - share})})
			f := ours(t, "new-checkout", fmt.Sprintf(`{"strategy":"percentage","value":%v}`, percent))
			got := compareFlagd(t, "new-checkout", f, e, users)
			t.Logf("%d of %d users have the flag", got["on"], len(users))
		})
	}
}

// TestSplitsAreFlagds: which variant a user has is what flagd's fractional gives with the same seed and with the
// weights in the order of their names.
func TestSplitsAreFlagds(t *testing.T) {
	t.Parallel()
	users := keys(10_000)
	for _, salt := range []string{"", "summer sale"} {
		for _, weights := range [][3]int{{1, 1, 1}, {2, 1, 0}, {1, 10_000, 77}} {
			t.Run(fmt.Sprint(salt, weights), func(t *testing.T) {
				seed := ""
				if salt != "" {
					seed = fmt.Sprintf(`"salt":%q,`, salt)
				}
				f := ours(t, "button", fmt.Sprintf(
					`{"strategy":"all",%s"variants":{"off":"x","red":"r","blue":"b","green":"g"},"off_variant":"off","weights":{"red":%d,"blue":%d,"green":%d}}`,
					seed, weights[0], weights[1], weights[2]))
				by := map[string]any{"cat": []any{f.Prefix() + "/variant/", map[string]any{"var": "targetingKey"}}}
				e := flagd(t, map[string]any{"button": fractional(map[string]any{"off": "x", "red": "r", "blue": "b", "green": "g"}, by,
					[]any{"blue", weights[1]}, []any{"green", weights[2]}, []any{"red", weights[0]})})
				t.Logf("%v", compareFlagd(t, "button", f, e, users))
			})
		}
	}
}
