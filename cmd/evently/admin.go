package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"evently/internal/domain"
	"evently/internal/service"
)

// accountServices are what `evently admin` works with.
type accountServices struct {
	auth     *service.Auth
	accounts *service.Accounts
}

// openAccounts opens them. The function closes their stores.
type openAccounts func(context.Context) (accountServices, func(), error)

// newAdminCommand returns `evently admin`.
func newAdminCommand(open openAccounts) *cobra.Command {
	admin := &cobra.Command{
		Use:   "admin",
		Short: "Manage the accounts of staff and administrators",
		Example: "  evently admin create --email admin@example.com\n" +
			"  evently admin revoke --email admin@example.com",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	admin.AddCommand(
		newAdminCreateCommand(open),
		newAccountCommand(open, "promote", "Make a user an administrator or staff", promote),
		newAccountCommand(open, "demote", "Make staff or an administrator a user", func(ctx context.Context, s accountServices, u domain.User, _ accountFlags) (string, error) {
			return changed(s.accounts.Update(ctx, u.ID, domain.UserChange{Role: new(domain.RoleUser)}))
		}),
		newAccountCommand(open, "block", "Keep an account from signing in, and end its tokens", func(ctx context.Context, s accountServices, u domain.User, f accountFlags) (string, error) {
			return changed(s.accounts.Update(ctx, u.ID, domain.UserChange{Blocked: new(!f.undo)}))
		}),
		newAccountCommand(open, "revoke", "End all access tokens of an account", func(ctx context.Context, s accountServices, u domain.User, _ accountFlags) (string, error) {
			return "its tokens have ended", s.accounts.Logout(ctx, u.ID)
		}),
		newAccountCommand(open, "password", "Set the password of an account, and end its tokens", func(ctx context.Context, s accountServices, u domain.User, f accountFlags) (string, error) {
			_, err := s.accounts.SetPassword(ctx, u.ID, f.password)
			return "its password was changed and its tokens have ended", err
		}),
	)
	return admin
}

// accountFlags are the flags of commands for one account.
type accountFlags struct {
	email, role, password string
	undo                  bool
}

// newAccountCommand returns a command that changes the account of --email. What run returns is printed.
func newAccountCommand(
	open openAccounts, name, short string,
	run func(ctx context.Context, s accountServices, user domain.User, flags accountFlags) (string, error),
) *cobra.Command {
	var flags accountFlags
	cmd := &cobra.Command{
		Use:     name + " --email ADDRESS",
		Short:   short,
		Long:    short + ". Instances that run know within five seconds.",
		Example: "  evently admin " + name + " --email jo@example.com",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			ctx := cmd.Context()
			services, closeStores, err := open(ctx)
			if err != nil {
				return err
			}
			defer closeStores()
			user, err := services.accounts.ByEmail(ctx, flags.email)
			if errors.Is(err, domain.ErrUserNotFound) {
				return fmt.Errorf("%s has no account", flags.email)
			}
			if err == nil && name == "password" {
				flags.password, err = readNewPassword(ctx, cmd.InOrStdin(), cmd.ErrOrStderr())
			}
			if err != nil {
				return err
			}
			done, err := run(ctx, services, user, flags)
			if err != nil {
				return fmt.Errorf("%s %s: %w", name, user.Email, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s (user_id %d): %s\n", user.Email, user.ID, done)
			return err
		},
	}
	cmd.Flags().StringVar(&flags.email, "email", "", "email address of the account")
	switch name {
	case "promote":
		cmd.Flags().StringVar(&flags.role, "role", string(domain.RoleAdmin), "admin or staff")
	case "block":
		cmd.Flags().BoolVar(&flags.undo, "undo", false, "let the account sign in again")
	}
	if err := cmd.MarkFlagRequired("email"); err != nil {
		panic(err) // misspelled above
	}
	return cmd
}

func promote(ctx context.Context, s accountServices, user domain.User, flags accountFlags) (string, error) {
	role := domain.Role(flags.role)
	if !role.Known() || role == domain.RoleUser {
		return "", errors.New("--role must be admin or staff")
	}
	return changed(s.accounts.Update(ctx, user.ID, domain.UserChange{Role: &role}))
}

// changed says what an account is now.
func changed(user domain.User, err error) (string, error) {
	if user.Blocked {
		return "is blocked, role " + string(user.Role), err
	}
	return "may sign in, role " + string(user.Role), err
}

func newAdminCreateCommand(open openAccounts) *cobra.Command {
	var email, role string
	create := &cobra.Command{
		Use:   "create --email ADDRESS",
		Short: "Create an administrator, or staff",
		Example: "  evently admin create --email admin@example.com\n" +
			"  pass show evently/door | evently admin create --email door@example.com --role staff",
		Long: "Create an administrator, or staff. The password, of 12 to 72 bytes, is read twice from a terminal, or from the\n" +
			"first line of the standard input. It is not an argument, because other users of the machine can see those.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if domain.Role(role) != domain.RoleAdmin && domain.Role(role) != domain.RoleStaff {
				return errors.New("--role must be admin or staff")
			}
			if _, err := domain.ParseEmail(email); err != nil {
				return fmt.Errorf("--email %q: %w", email, err)
			}
			return createAccount(cmd, open, email, domain.Role(role))
		},
	}
	create.Flags().StringVar(&email, "email", "", "email address of the account")
	create.Flags().StringVar(&role, "role", string(domain.RoleAdmin), "admin or staff")
	if err := create.MarkFlagRequired("email"); err != nil {
		panic(err) // misspelled above
	}
	return create
}

func createAccount(cmd *cobra.Command, open openAccounts, email string, role domain.Role) error {
	ctx := cmd.Context()
	services, closeStores, err := open(ctx)
	if err != nil {
		return err
	}
	defer closeStores()
	taken := fmt.Errorf("%s already has an account; nothing was changed (see `evently admin promote`)", email)
	switch _, err := services.accounts.ByEmail(ctx, email); {
	case err == nil:
		return taken // before a password is asked for
	case !errors.Is(err, domain.ErrUserNotFound):
		return err
	}
	password, err := readNewPassword(ctx, cmd.InOrStdin(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	user, err := services.auth.Create(ctx, email, password, role)
	if errors.Is(err, domain.ErrEmailTaken) {
		return taken
	}
	if err != nil {
		return fmt.Errorf("create the account of %s: %w", email, err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "Created the %s %s (user_id %d)\n", user.Role, user.Email, user.ID)
	return err
}

// maxPasswordLine is more than the longest password, in bytes.
const maxPasswordLine = 1 << 10

// readNewPassword reads a password twice from a terminal without echo, or one line of in.
func readNewPassword(ctx context.Context, in io.Reader, prompts io.Writer) (string, error) {
	if file, ok := in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return askTwice(prompts, func() ([]byte, error) { return readHidden(ctx, int(file.Fd())) })
	}
	return readLine(in)
}

// askTwice calls ask twice and returns the password if both are equal.
func askTwice(prompts io.Writer, ask func() ([]byte, error)) (string, error) {
	var answers [2][]byte
	for i, prompt := range []string{"Password: ", "Password again: "} {
		if _, err := io.WriteString(prompts, prompt); err != nil {
			return "", err
		}
		answer, err := ask()
		// The typed line break was not echoed.
		if _, printErr := io.WriteString(prompts, "\n"); err == nil {
			err = printErr
		}
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		answers[i] = answer
	}
	switch {
	case len(answers[0]) == 0:
		return "", errors.New("the password is empty")
	case !bytes.Equal(answers[0], answers[1]):
		return "", errors.New("the passwords do not match")
	}
	return string(answers[0]), nil
}

// readHidden reads a line from the terminal fd without echo. It restores the echo on an interrupt.
func readHidden(ctx context.Context, fd int) ([]byte, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()

	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	// A terminal read cannot be cancelled; after an interrupt the process exits.
	go func() {
		text, err := term.ReadPassword(fd)
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		return l.text, l.err
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), term.Restore(fd, before))
	}
}

// readLine returns the first line of in without its line break.
func readLine(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, maxPasswordLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	password := strings.TrimRight(line, "\r\n")
	if password == "" {
		return "", errors.New("the first line of the standard input has no password")
	}
	return password, nil
}
