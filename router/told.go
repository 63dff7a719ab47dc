package router

import "github.com/switchback-proxy/switchback/flags"

// maxFlagsField bounds what upstream is told of flags, in bytes: those that do not fit any more are left out.
const maxFlagsField = 4096

// FlagsField says which variants of the flags its service names the request's user has:
// "new-checkout=on, button=red". A flag that needs a user is left out when there is none.
func (d *Decision) FlagsField() string {
	told := d.Service.Told
	if len(told) == 0 {
		return ""
	}
	var buf [64]byte
	user := flags.Context{Key: string(d.User(buf[:0]))}
	field := make([]byte, 0, 128)
	for _, f := range told {
		r := f.Evaluate(&user)
		if r.Missing() || len(field)+len(", =")+len(f.Name)+len(r.Variant.Name) > maxFlagsField {
			continue
		}
		if len(field) > 0 {
			field = append(field, ", "...)
		}
		field = append(append(append(field, f.Name...), '='), r.Variant.Name...)
	}
	return string(field)
}
