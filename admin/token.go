package admin

import (
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/secret"
	"go.uber.org/zap"
)

// maxTries is how many wrong tokens may come from one address in a minute.
const maxTries = 10

// tokens are the secrets with what each of them may do.
type tokens struct {
	*secret.Tokens
	cfg []config.Token
}

// readTokens reads every file; for the error see secret.Open.
func readTokens(cfg []config.Token, log *zap.Logger) (*tokens, error) {
	files := make([]config.Secret, len(cfg))
	for i, c := range cfg {
		files[i] = config.Secret{Name: c.Name, File: c.File}
	}
	t, err := secret.Open(files, log)
	return &tokens{t, cfg}, err
}

// find returns the token of a secret, or nil.
func (t *tokens) find(given string, now time.Time) *config.Token {
	if i := t.Find(given, now); i >= 0 {
		return &t.cfg[i]
	}
	return nil
}
