package config

import (
	"errors"
	"strings"
	"testing"
)

const patched = `# The shop.
services:
  shop:   # moved by the release pipeline
    pools: {blue: [http://10.0.0.1:8080], green: [http://10.0.1.1:8080], "on": [http://10.0.1.2:8080]}
    WEIGHTS
    timeouts: {request: 10s}  # keep
flags:
  new: FLAG
`

// TestPatch shows what is written for many ways to write weights and flags.
func TestPatch(t *testing.T) {
	quarter := map[string]Weights{"shop": {"blue": 7500, "green": 2500}}
	tests := []struct {
		name          string
		edits         Edits
		weights, flag string
		wantW, wantF  string // "": as it was
	}{
		{name: "flow", edits: Edits{Weights: quarter}, weights: "weights: {blue: 100, green: 0} # all", wantW: "weights: {blue: 75, green: 25} # all"},
		{name: "block", edits: Edits{Weights: quarter}, weights: "weights:\n      blue: 100   # stable\n      green:  0", wantW: "weights:\n      blue: 75   # stable\n      green:  25"},
		{name: "one line changes", edits: Edits{Weights: map[string]Weights{"shop": {"blue": 1250, "green": 8750}}}, weights: "weights: {blue: 12.50, green: 85, \"on\": 2.5}", wantW: "weights: {blue: 12.50, green: 87.5, \"on\": 0}"},
		{name: "a pool is not there, flow", edits: Edits{Weights: quarter}, weights: "weights: { blue: 100 }", wantW: "weights: { blue: 75, green: 25 }"},
		{name: "a pool is not there, block", edits: Edits{Weights: quarter}, weights: "weights:\n      blue: 100 # all\n", wantW: "weights:\n      blue: 75 # all\n      green: 25\n"},
		{name: "a name that needs quotes", edits: Edits{Weights: map[string]Weights{"shop": {"on": 10000}}}, weights: "weights: {blue: 100}", wantW: "weights: {blue: 0, \"on\": 100}"},
		{name: "over several lines", edits: Edits{Weights: quarter}, weights: "weights: {\n      blue: 100, # here\n      green: 0,\n    }", wantW: "weights: {\n      blue: 75, # here\n      green: 25,\n    }"},
		{name: "an anchor", edits: Edits{Weights: quarter}, weights: "weights: {\"blue\": &a 100, green: 0}", wantW: "weights: {\"blue\": &a 75, green: 25}"},
		{name: "characters of several bytes", edits: Edits{Flags: map[string]FlagStrategy{"new": {ByPercentage, 2500}}}, flag: "{users: [Zoë, 李], strategy: percentage, value: 5}", wantF: "{users: [Zoë, 李], strategy: percentage, value: 25}"},
		{name: "nothing to do", edits: Edits{Weights: map[string]Weights{"shop": {"blue": 10000}}}, weights: "weights: {blue: 100}"},
		{name: "percentage", edits: Edits{Flags: map[string]FlagStrategy{"new": {ByPercentage, 2550}}}, flag: "{strategy: percentage, value: 5, users: [a]}", wantF: "{strategy: percentage, value: 25.5, users: [a]}"},
		{name: "to everybody", edits: Edits{Flags: map[string]FlagStrategy{"new": {ForAll, 0}}}, flag: "{strategy: percentage, value: 5, users: [a]}", wantF: "{strategy: all, users: [a]}"},
		{name: "to nobody, value first", edits: Edits{Flags: map[string]FlagStrategy{"new": {ForNone, 0}}}, flag: "{value: 5, strategy: 'percentage'}", wantF: "{strategy: none}"},
		{name: "to nobody, block", edits: Edits{Flags: map[string]FlagStrategy{"new": {ForNone, 0}}}, flag: "\n    strategy: percentage\n    value: 5 # of them\n    users: [a] # more", wantF: "\n    strategy: none\n    users: [a] # more"},
		{name: "to some", edits: Edits{Flags: map[string]FlagStrategy{"new": {ByPercentage, 500}}}, flag: "{strategy: none}", wantF: "{strategy: percentage, value: 5}"},
		{name: "to some, block", edits: Edits{Flags: map[string]FlagStrategy{"new": {ByPercentage, 500}}}, flag: "\n    strategy: none # yet", wantF: "\n    strategy: percentage # yet\n    value: 5"},
	}
	for _, tt := range tests {
		for _, ends := range []string{"\n", "\r\n"} {
			t.Run(tt.name+map[string]string{"\n": "", "\r\n": " CRLF"}[ends], func(t *testing.T) {
				file := func(weights, flag string) []byte {
					if weights == "" {
						weights = "weights: {blue: 100}"
					}
					if flag == "" {
						flag = "{strategy: none}"
					}
					return []byte(strings.ReplaceAll(strings.NewReplacer("WEIGHTS", weights, "FLAG", flag).Replace(patched), "\n", ends))
				}
				wantW, wantF := tt.wantW, tt.wantF
				if wantW == "" {
					wantW = tt.weights
				}
				if wantF == "" {
					wantF = tt.flag
				}
				got, err := Patch("switchback.yaml", file(tt.weights, tt.flag), tt.edits)
				if err != nil {
					t.Fatal(err)
				}
				if want := string(file(wantW, wantF)); string(got) != want {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
			})
		}
	}
}

// TestPatchRefuses leaves alone what means more than it seems to.
func TestPatchRefuses(t *testing.T) {
	tests := map[string]string{
		"shared anchor":   "services:\n  shop: {paths: [/a], pools: &p {blue: [http://b:80], green: [http://g:80]}, weights: &w {blue: 100, green: 0}}\n  blog: {paths: [/b], pools: *p, weights: *w}\n",
		"shared number":   "services:\n  shop: {paths: [/a], pools: &p {blue: [http://b:80], green: [http://g:80]}, weights: {blue: &n 100}}\n  blog: {paths: [/b], pools: *p, weights: {blue: *n}}\n",
		"from defaults":   "defaults: {weights: {blue: 100, green: 0}}\nservices: {shop: {pools: {blue: [http://b:80], green: [http://g:80]}}}\n",
		"an alias itself": "services:\n  blog: {paths: [/b], pools: &p {blue: [http://b:80], green: [http://g:80]}, weights: &w {blue: 100, green: 0}}\n  shop: {paths: [/a], pools: *p, weights: *w}\n",
	}
	for name, yaml := range tests {
		t.Run(name, func(t *testing.T) {
			out, err := Patch("", []byte(yaml), Edits{Weights: map[string]Weights{"shop": {"blue": 7500, "green": 2500}}})
			if !errors.Is(err, ErrByHand) {
				t.Errorf("got %v\n%s", err, out)
			}
		})
	}
	if _, err := Patch("", []byte("services: {}"), Edits{}); !errors.As(err, new(Problems)) {
		t.Errorf("an invalid file: %v", err)
	}
}

// FuzzPatch: whatever a file looks like, what is written means the same but for the weights asked for, and nothing but
// digits and pools of the weights differs; or nothing is written.
func FuzzPatch(f *testing.F) {
	for _, file := range files(f, "testdata/valid/*.yaml") {
		f.Add(readFile(f, file), uint16(2500), uint8(0), uint16(500))
	}
	f.Add([]byte(strings.NewReplacer("WEIGHTS", "weights:\r      blue: 100\u2028", "FLAG", "{strategy: none}").Replace(patched)), uint16(1), uint8(1), uint16(9999))
	f.Add([]byte("\ufeffservices: {shop: {pools: {blue: [http://b:80], green: [http://g:80]}, weights: {blue: 100}}}"), uint16(1), uint8(1), uint16(9999))
	f.Fuzz(func(t *testing.T, data []byte, share uint16, which uint8, value uint16) {
		before, err := Parse("fuzz.yaml", data)
		if err != nil {
			return
		}
		e := Edits{Weights: map[string]Weights{}, Flags: map[string]FlagStrategy{}}
		s := &before.Services[int(which)%len(before.Services)]
		if s.Of == "" && len(s.Pools) > 1 {
			w := Weight(share) % (Full + 1)
			e.Weights[s.Name] = Weights{s.Pools[0].Name: Full - w, s.Pools[1].Name: w}
		}
		if len(before.Flags) > 0 {
			flag := &before.Flags[int(which)%len(before.Flags)]
			to := FlagStrategy{Strategy: []Strategy{ForNone, ForAll, ByPercentage}[int(which/64)%3], Value: Weight(value) % (Full + 1)}
			if flag.Rollout != nil {
				to.Strategy = ByPercentage
			}
			e.Flags[flag.Name] = to
		}
		out, err := Patch("fuzz.yaml", data, e)
		if err != nil {
			if !errors.Is(err, ErrByHand) {
				t.Fatal(err)
			}
			return
		}
		after, err := Parse("fuzz.yaml", out)
		if err != nil {
			t.Fatalf("not valid any more: %v\n%s", err, out)
		}
		for i := range after.Services {
			a, b := &after.Services[i], &before.Services[i]
			want, edited := e.Weights[a.Name]
			if !edited {
				want = b.Weights
			}
			if flag := FlagOf(a.Name); flag != "" {
				if to, ok := e.Flags[flag]; ok {
					want = Weights{VariantOn: to.value(), VariantOff: Full - to.value()}
				}
			}
			if !a.Weights.Equal(want) {
				t.Fatalf("%s has %v, want %v\n%s", a.Name, a.Weights, want, out)
			}
		}
		if again, err := Patch("fuzz.yaml", out, e); err != nil || string(again) != string(out) {
			t.Fatalf("written again it differs: %v\n%s\nwas\n%s", err, again, out)
		}
	})
}
