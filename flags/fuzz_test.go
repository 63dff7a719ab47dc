package flags

import (
	"encoding/json"
	"reflect"
	"testing"
)

// FuzzEvaluate looks for a context that stops the process, that is answered differently the second time, or
// that is changed by being looked at.
func FuzzEvaluate(f *testing.F) {
	set, _ := kinds(f)
	again, _ := kinds(f)
	for _, seed := range []string{
		`{}`, `null`, `{"plan":"pro","groups":["a",["c"],{"c":"c"},null],"user":{"address":{"city":"Bern"}}}`, `{"plan":["free",1,true,"pro"]}`,
		`{"version":"2.4.0"}`, `{"version":"v2.1.0-0.a.b+c"}`, `{"version":["1","2.3"]}`, `{"user":{"address.city":"Bern"},"user.address":{}}`,
		`{"plan":{"plan":{}},"age":1e308,"beta":null,"email":""}`, `{"targetingKey":"user-9999","age":-0}`, `{"version":"99999999999999999999.0.0"}`,
	} {
		f.Add("user-9999", []byte(seed))
		f.Add("", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, key string, attributes []byte) {
		c, same := &Context{Key: key}, &Context{Key: key}
		if json.Unmarshal(attributes, &c.Attributes) != nil || json.Unmarshal(attributes, &same.Attributes) != nil {
			return
		}
		for i, f := range set.Flags {
			got := f.Evaluate(c)
			if twin := again.Flags[i].Evaluate(same); said(got) != said(twin) || said(got) != said(f.Evaluate(c)) {
				t.Errorf("flag %s: %s, then %s", f.Name, said(got), said(twin))
			}
			checkResult(t, f, c, got)
		}
		if !reflect.DeepEqual(c, same) {
			t.Errorf("the context became %+v, it was %+v", c, same)
		}
	})
}

// checkResult checks what the comments of Result promise.
func checkResult(t *testing.T, f *Flag, c *Context, r Result) {
	t.Helper()
	switch {
	case r.Missing():
		if c.Key != "" || r != (Result{}) {
			t.Errorf("flag %s: %+v for key %q", f.Name, r, c.Key)
		}
	case r.Has != (r.Variant.Name != f.Config.Off), r.Drawn && c.Key == "", string(r.Variant.Value) != string(f.Config.Variants[r.Variant.Name]),
		(f.Killed || f.Config.Strategy == "none") && (r.Has || r.Reason != Static):
		t.Errorf("flag %s: %s for key %q", f.Name, said(r), c.Key)
	}
}
