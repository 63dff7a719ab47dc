//go:build !linux

package proxy

// fast is what other systems do not have.
type fast struct{}

func (s *Server) newFast(*gate) (*fast, error) { return nil, nil }

func (f *fast) accept()        {}
func (f *fast) stopAccepting() {}
func (f *fast) stopped()       {}
func (f *fast) closeWaiting()  {}
func (f *fast) close()         {}
