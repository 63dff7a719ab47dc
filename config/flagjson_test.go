package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestParseFlag shows what somebody is told who defines a flag at run time. There are no lines to name.
func TestParseFlag(t *testing.T) {
	tests := []struct{ name, definition, want string }{
		{"percentage", `{"strategy":"percentage","value":5}`, ""},
		{"blanks", " \n{ \"strategy\" : \"all\" }\r\n\t", ""},
		{"high", `{"strategy":"percentage","value":101}`, "value: is 101; a percentage is a number from 0 to 100"},
		{"negative", `{"strategy":"percentage","value":-1}`, "value: is -1; a percentage is a number from 0 to 100"},
		{"text", `{"strategy":"percentage","value":"5"}`, `value: "5" is not a number; remove the quotes`},
		{"exponent", `{"strategy":"percentage","value":1e1}`, `value: "1e1" is not a number; write a decimal number, such as 25`},
		{"null value", `{"strategy":"percentage","value":null}`, "value: has no value; give it a number or remove it"},
		{"no value", `{"strategy":"percentage"}`, "value is missing; say how many percent have the flag: {strategy: percentage, value: 25}"},
		{"no strategy", `{}`, "strategy is missing; it is none, all, users or percentage"},
		{"unknown key", `{"strategy":"all","strateg":"all"}`, `strateg: unknown key; did you mean "strategy"?`},
		{"rollout", `{"strategy":"percentage","value":5,"rollout":{"service":"shop"}}`, "rollout: unknown key; the file alone can say it"},
		{"key twice", `{"strategy":"all","strategy":"none"}`, "strategy: the key is given twice; remove one"},
		{"user twice", `{"strategy":"users","users":["a","b","a"]}`, `users[2]: "a" is given twice; remove one`},
		{"two users too long", fmt.Sprintf(`{"strategy":"users","users":["%[1]s","%[1]s"]}`, strings.Repeat("u", 257)), "users[0]: is too long for a user; at most 256 bytes\nusers[1]: is too long for a user; at most 256 bytes"},
		{"large number", `{"strategy":"all","off_variant":"a","variants":{"a":1,"b":1` + strings.Repeat("0", 400) + `}}`, `variants.b: "1` + strings.Repeat("0", 79) + `…" is too large; nobody could read it; write it as text`},
		{"null variant", `{"strategy":"all","off_variant":"a","variants":{"a":1,"b":null}}`, "variants.b: is null, which no flag can have; a value is a boolean, text, a number or a mapping"},
		{"list", `[]`, "the definition is a list, not an object"},
		{"null", `null`, "the definition is null, not an object"},
		{"number", `5`, "the definition is a number, not an object"},
		{"nothing", ``, "the definition is not JSON: it ends too early"},
		{"cut", `{"strategy":"all"`, "the definition is not JSON: it ends too early"},
		{"two", `{"strategy":"all"}{}`, "there is something behind the definition"},
		{"no JSON", `strategy: all`, "the definition is not JSON: invalid character 's' looking for beginning of value"},
		{"trailing comma", `{"strategy":"all",}`, "the definition is not JSON: invalid character '}' looking for beginning of object key string"},
		{"deep", strings.Repeat(`{"a":`, 10_000), "the definition is not JSON: it is nested too deep"},
		{"several", `{"strategy":"alle","users":"me","value":-1}`, "strategy: \"alle\" is not known here; did you mean \"all\"?\nusers: is text, not a list; write [me]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := ParseFlag("x", []byte(tt.definition))
			if tt.want == "" {
				if err != nil || f.Name != "x" {
					t.Errorf("got %v, %v", f, err)
				}
				return
			}
			if f != nil || err == nil || err.Error() != tt.want {
				t.Errorf("got %v, error:\n%v\nwant\n%s", f, err, tt.want)
			}
		})
	}
	if _, err := ParseFlag("new checkout", []byte(`{"strategy":"all"}`)); err == nil || !strings.HasPrefix(err.Error(), `"new checkout" is not a name; `) {
		t.Errorf("a bad name: got %v", err)
	}
}
