package examples

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/internal/binary"
)

const (
	flagServe = "switchback serve -c examples/flags/switchback.yaml"
	asIvan    = "curl -s -H 'X-User-ID: user_ivan' http://127.0.0.1:8080/"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	e := open(t, "flags", "", "127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:9900")
	e.start(t, "upstream --addr 127.0.0.1:8081 --version 2.4.0")
	e.start(t, "upstream --addr 127.0.0.1:8082 --version 2.5.0")
	e.up(t, "127.0.0.1:8081", "127.0.0.1:8082")
	proxy := e.start(t, flagServe)
	e.served(t)

	e.shows(t, "switchback flag list")
	e.shows(t, eval("new-checkout", "user_alice"), eval("new-checkout", "user_ivan"), eval("new-checkout", "user_carol"))
	told := `"flags":"new-checkout=on, button=red"`
	e.says(t, told)
	e.expect(t, asIvan, 0, told, "2.4.0")

	e.grows(t)
	e.expect(t, eval("button", "user_ivan"), 0, `"#dd0000"   variant red`)
	e.expect(t, eval("button", "user_alice"), 0, `"#0000dd"   variant blue`)
	e.targets(t)
	e.choosesPools(t)

	e.expect(t, `switchback flag kill new-checkout --reason "payments fail"`, 0)
	e.expect(t, asIvan, 0, "new-checkout=off")
	e.expect(t, eval("new-checkout", "user_alice"), 0, "false", "STATIC")
	e.expect(t, "switchback flag set new-checkout 75", 5, "killed", "payments fail")
	e.edit(t, "value: 25, users: [user_alice]", "value: 30, users: [user_alice]")
	binary.Until(t, "the file's new percentage is there", func() bool {
		out, _ := e.run(t, "switchback flag list")
		return strings.Contains(out, "30 %")
	})
	e.expect(t, asIvan, 0, "new-checkout=off")
	proxy.Signal(t, syscall.SIGINT)
	if code := proxy.Wait(t, 40*time.Second); code != 0 {
		t.Fatalf("serve ended with %d", code)
	}
	e.start(t, flagServe)
	e.served(t)
	e.expect(t, asIvan, 0, "new-checkout=off")
	e.expect(t, `switchback flag restore new-checkout --reason "payments are back"`, 0, "30 % of the users, 1 by name")
	e.expect(t, asIvan, 0, "new-checkout=on")
	e.expect(t, "switchback flag history new-checkout", 0, "flag.set", "flag.killed", "payments fail", "flag.file", "flag.restored")
}

// eval is the command that asks what a user has.
func eval(flag, user string) string {
	return fmt.Sprintf("switchback flag eval %s --key %s", flag, user)
}

// shows wants the answers of commands, one after the other, to stand in the README.
func (e *example) shows(t *testing.T, commands ...string) {
	t.Helper()
	all := ""
	for _, c := range commands {
		out, code := e.run(t, c)
		if code != 0 {
			t.Errorf("%s: exit code %d\n%s", c, code, out)
		}
		all += out
	}
	e.says(t, all)
}

// grows has more users with each percentage, and takes the flag from none of those who had it.
func (e *example) grows(t *testing.T) {
	t.Helper()
	before := e.having(t, "new-checkout", 200)
	e.expect(t, `switchback flag set new-checkout 50 --reason "a good week"`, 0)
	e.expect(t, eval("new-checkout", "user_carol"), 0, "true", "SPLIT")
	e.expect(t, eval("new-checkout", "user_ivan"), 0, "true", "SPLIT")
	after := e.having(t, "new-checkout", 200)
	for user := range before {
		if !after[user] {
			t.Errorf("%s had the flag at 25 %% and has it no more at 50", user)
		}
	}
	if len(before) < 25 || len(before) > 75 || len(after) < 70 || len(after) > 130 {
		t.Errorf("of 200 users %d had the flag at 25 %%, and %d at 50", len(before), len(after))
	}
	e.expect(t, `curl -s -d '{"strategy":"percentage","value":50}' http://127.0.0.1:9900/api/flags/new-checkout`, 0, `"changed":false`)
	e.expect(t, `curl -s -d '{"strategy":"user_list","users":["user_erin"]}' http://127.0.0.1:9900/api/flags/fast-lane`, 0, `"created":true`)
	e.expect(t, "switchback flag drop new-checkout", 0, "25 % of the users")
}

// having are those of so many users for whom the upstream is told that they have the flag.
func (e *example) having(t *testing.T, flag string, users int) map[string]bool {
	t.Helper()
	has := map[string]bool{}
	for i := range users {
		user := fmt.Sprint("customer-", i)
		out, code := curl(t, []string{"-H", "X-User-ID: " + user, e.moved("http://127.0.0.1:8080/")})
		if code != 0 {
			t.Fatalf("a request failed: %s", out)
		}
		if strings.Contains(out, flag+"=on") {
			has[user] = true
		}
	}
	return has
}

func (e *example) targets(t *testing.T) {
	t.Helper()
	carol, ivan := eval("new-search", "user_carol"), eval("new-search", "user_ivan")
	e.expect(t, carol+" --attribute plan=pro", 0, "true", "TARGETING_MATCH")
	e.expect(t, carol+" --attribute plan=free", 0, "false", "DEFAULT")
	e.expect(t, carol+" --attribute country=NZ --attribute app=2.3.1", 0, "true", "TARGETING_MATCH")
	e.expect(t, ivan+" --attribute country=NZ --attribute app=2.3.1", 0, "false", "SPLIT")
	e.expect(t, `curl -s -X POST -H 'Content-Type: application/json' -d '{"context":{"targetingKey":"user_carol","plan":"pro"}}' `+
		"http://127.0.0.1:9900/v1/flags/new-search/evaluate", 0, `"value":true`, `"reason":"TARGETING_MATCH"`)
}

// choosesPools follows users to the pools that a rule and a seed send them to.
func (e *example) choosesPools(t *testing.T) {
	t.Helper()
	asAlice := strings.ReplaceAll(asIvan, "ivan", "alice")
	e.expect(t, strings.ReplaceAll(asIvan, "ivan", "bob"), 0, "2.5.0")
	e.expect(t, asAlice, 0, "2.4.0")
	e.expect(t, "switchback flag set early-shop --users user_bob,user_alice", 0)
	e.expect(t, asAlice, 0, "2.5.0")
	e.expect(t, asIvan+"search", 0, "2.5.0")
	e.expect(t, strings.ReplaceAll(asIvan, "ivan", "erin")+"search", 0, "2.4.0")
	for user := range e.having(t, "new-checkout", 200) {
		out, _ := curl(t, []string{"-H", "X-User-ID: " + user, e.moved("http://127.0.0.1:8080/search")})
		if !strings.Contains(out, "2.5.0") {
			t.Errorf("%s has the flag, and is answered by %s", user, out)
		}
	}
}
