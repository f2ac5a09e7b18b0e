package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"evently/internal/domain"
	"evently/internal/repository"
	"evently/internal/service"
	"evently/internal/testkit"
)

func TestReadLine_ReturnsTheFirstLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"correct horse\n":           "correct horse",
		"correct horse":             "correct horse",
		"correct horse\r\n":         "correct horse",
		" blanks count \n":          " blanks count ",
		"first line\nsecond line\n": "first line",
		"":                          "",
		"\n":                        "",
		"\nsecond line\n":           "",
	} {
		got, err := readLine(strings.NewReader(in))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("readLine(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	broken := errors.New("broken")
	if _, err := readLine(io.MultiReader(strings.NewReader("half"), errReader{broken})); !errors.Is(err, broken) {
		t.Errorf("broken input: %v", err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestAskTwice_ReturnsMatchingPasswords(t *testing.T) {
	t.Parallel()
	interrupted := errors.New("interrupted")
	for name, tt := range map[string]struct {
		answers []string
		want    string
	}{
		"the same":     {[]string{"correct horse", "correct horse"}, "correct horse"},
		"not the same": {[]string{"correct horse", "correct house"}, ""},
		"empty":        {[]string{"", ""}, ""},
		"interrupted":  {[]string{"correct horse"}, ""},
	} {
		var prompts bytes.Buffer
		got, err := askTwice(&prompts, func() ([]byte, error) {
			if len(tt.answers) == 0 {
				return nil, interrupted
			}
			answer := tt.answers[0]
			tt.answers = tt.answers[1:]
			return []byte(answer), nil
		})
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: %q, %v; want %q", name, got, err, tt.want)
		}
		if prompts.String() != "Password: \nPassword again: \n" {
			t.Errorf("%s: prompts %q", name, prompts.String())
		}
	}
}

// adminCommand returns a function that runs `evently admin` on a database of its own.
func adminCommand(t *testing.T) func(stdin string, args ...string) (string, error) {
	run, _ := adminCommandWithAuth(t)
	return run
}

func adminCommandWithAuth(t *testing.T) (run func(stdin string, args ...string) (string, error), auth *service.Auth) {
	t.Helper()
	passwords, err := service.NewPasswords(service.PasswordsConfig{Cost: bcrypt.MinCost})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := service.NewTokens(service.TokensConfig{Secrets: []string{"a secret of thirty-two bytes, or more"}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	store := repository.New(testkit.Pool(t), repository.Options{})
	epochs := service.NewEpochs(store, time.Hour)
	auth = service.NewAuth(store, tokens, passwords, nil)
	run = func(stdin string, args ...string) (string, error) {
		opened, closed := 0, 0
		command := newAdminCommand(func(context.Context) (accountServices, func(), error) {
			opened++
			return accountServices{auth: auth, accounts: service.NewAccounts(store, auth, epochs)}, func() { closed++ }, nil
		})
		var out bytes.Buffer
		command.SetArgs(args)
		command.SetIn(strings.NewReader(stdin))
		command.SetOut(&out)
		command.SetErr(&out)
		err := command.ExecuteContext(t.Context())
		if opened != closed {
			t.Errorf("%v: opened %d times, closed %d times", args, opened, closed)
		}
		return out.String(), err
	}
	return run, auth
}

func TestAdmin_Create(t *testing.T) {
	t.Parallel()
	run, auth := adminCommandWithAuth(t)
	out, err := run("correct horse\n", "create", "--email", "root@example.com")
	if err != nil || !strings.Contains(out, "Created the admin root@example.com") || strings.Contains(out, "horse") {
		t.Fatalf("%q, %v", out, err)
	}
	session, err := auth.Login(t.Context(), "root@example.com", "correct horse")
	if err != nil || session.User.Role != domain.RoleAdmin {
		t.Errorf("login: %+v, %v", session.User, err)
	}
	for name, tt := range map[string]struct {
		stdin string
		args  []string
		says  string
	}{
		"taken":            {"another horse\n", []string{"create", "--email", "Root@example.com"}, "already has an account"},
		"short":            {"short\n", []string{"create", "--email", "al@example.com"}, "12 to 72 bytes"},
		"no email":         {"correct horse\n", []string{"create"}, `"email" not set`},
		"not an email":     {"correct horse\n", []string{"create", "--email", "al"}, "must be an email address"},
		"no password":      {"", []string{"create", "--email", "al@example.com"}, "no password"},
		"password in argv": {"", []string{"create", "--email", "al@example.com", "correct horse"}, "unknown command"},
		"password flag":    {"", []string{"create", "--email", "al@example.com", "--password", "correct horse"}, "unknown flag"},
	} {
		if _, err := run(tt.stdin, tt.args...); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
}

func TestAdmin_ChangesAnAccount(t *testing.T) {
	t.Parallel()
	run := adminCommand(t)
	for _, step := range []struct {
		stdin string
		args  []string
		says  string
		fails bool
	}{
		{"correct horse\n", []string{"create", "--email", "root@example.com"}, "Created the admin", false},
		{"correct horse\n", []string{"create", "--email", "door@example.com", "--role", "staff"}, "Created the staff", false},
		{"", []string{"create", "--email", "door@example.com", "--role", "user"}, "admin or staff", true},
		{"", []string{"demote", "--email", "root@example.com"}, "last administrator", true},
		{"", []string{"block", "--email", "root@example.com"}, "last administrator", true},
		{"", []string{"promote", "--email", "Door@example.com"}, "role admin", false},
		{"", []string{"promote", "--email", "door@example.com", "--role", "king"}, "admin or staff", true},
		{"", []string{"block", "--email", "door@example.com"}, "is blocked", false},
		{"", []string{"block", "--email", "door@example.com", "--undo"}, "may sign in", false},
		{"", []string{"demote", "--email", "door@example.com"}, "role user", false},
		{"", []string{"revoke", "--email", "door@example.com"}, "tokens have ended", false},
		{"", []string{"revoke", "--email", "nobody@example.com"}, "has no account", true},
		{"a new password\n", []string{"password", "--email", "root@example.com"}, "password was changed", false},
		{"short\n", []string{"password", "--email", "root@example.com"}, "12 to 72 bytes", true},
	} {
		out, err := run(step.stdin, step.args...)
		if err != nil {
			out += err.Error()
		}
		if (err != nil) != step.fails || !strings.Contains(out, step.says) {
			t.Errorf("%v: %q, %v; want %q", step.args, out, err, step.says)
		}
	}
}
