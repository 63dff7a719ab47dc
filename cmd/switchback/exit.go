package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
)

// The exit codes, which scripts rely on.
const (
	exitDone        = 0
	exitError       = 1
	exitUsage       = 2 // or an invalid configuration
	exitRefused     = 3 // 409, 412, 422
	exitRolledBack  = 4
	exitPaused      = 5 // waiting for a person
	exitTimeout     = 6
	exitUnreachable = 7
	exitNoData      = 8 // not enough to decide
)

// usage is an error of who typed the command.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

// coded is an error that knows its exit code.
type coded struct {
	error
	code int
}

func (c coded) Unwrap() error { return c.error }

// exitCode maps an error to the contract.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if c, ok := errors.AsType[coded](err); ok {
		return c.code
	}
	if _, ok := errors.AsType[usage](err); ok {
		return exitUsage
	}
	if p, ok := errors.AsType[*api.Error](err); ok {
		return problemCode(p.Status)
	}
	if _, ok := errors.AsType[config.Problems](err); ok {
		return exitUsage
	}
	switch {
	case errors.Is(err, api.ErrUnreachable): // first: a dial that took too long is a deadline as well
		return exitUnreachable
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
	}
	return exitError
}

func problemCode(status int) int {
	switch status {
	case http.StatusBadRequest:
		return exitUsage
	case http.StatusConflict, http.StatusPreconditionFailed, http.StatusUnprocessableEntity:
		return exitRefused
	}
	return exitError
}

// report says on stderr what went wrong and what to do next, and returns the exit code.
func report(stderr io.Writer, cmd *cobra.Command, err error) int {
	if err == nil {
		return exitDone
	}
	var p page
	p.line("switchback: %s", cleanLines(describe(err)))
	if problem, ok := errors.AsType[*api.Error](err); ok {
		p.refused(problem)
	}
	for _, line := range advice(cmd, err) {
		p.line("%s", line)
	}
	_, _ = io.WriteString(stderr, p.String()) // nowhere left to tell
	return exitCode(err)
}

// describe is the error, with a line of its own before the problems of a file.
func describe(err error) string {
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		return err.Error()
	}
	return fmt.Sprintf("%s in %s:\n%s", count(len(problems), "problem"), problems[0].File, err)
}

// advice is what to do next, where the error does not say so itself.
func advice(cmd *cobra.Command, err error) []string {
	if _, ok := errors.AsType[usage](err); ok {
		return []string{fmt.Sprintf("See '%s --help'.", cmd.CommandPath())}
	}
	if p, ok := errors.AsType[*api.Error](err); ok {
		return adviceOn(cmd, p)
	}
	const look = "The command may have been carried out all the same; 'switchback status' tells."
	switch exitCode(err) {
	case exitUnreachable:
		next := []string{"Does it run there? Another address is given with --admin or SWITCHBACK_ADMIN."}
		if dial, ok := errors.AsType[*net.OpError](err); !ok || dial.Op != "dial" {
			next = append(next, look)
		}
		return next
	case exitTimeout:
		if errors.Is(err, context.DeadlineExceeded) {
			return []string{look}
		}
	}
	return nil
}

func adviceOn(cmd *cobra.Command, p *api.Error) []string {
	switch p.Type {
	case api.TypeUnauthorized:
		return []string{"The token is given with --token-file or SWITCHBACK_TOKEN."}
	case api.TypePoolNotReady:
		if (cmd.Name() == "cutover" || cmd.Name() == "rollback") && !cmd.Flags().Changed("force") {
			return []string{"To go with the targets that are up: --force, with a --reason."}
		}
	case api.TypeRolloutInProgress:
		if cmd.Name() == "weights" {
			return []string{"To end the rollout by this: --force, with a --reason."}
		}
	case api.TypeStoreUnavailable:
		return []string{"Nothing was changed. 'switchback status' shows the state's error; 'switchback rollback' works meanwhile."}
	}
	return nil
}
