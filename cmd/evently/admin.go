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

// newAdminCommand returns `evently admin`. open returns the service and a function that closes it.
func newAdminCommand(open func(context.Context) (*service.Auth, func(), error)) *cobra.Command {
	admin := &cobra.Command{
		Use:     "admin",
		Short:   "Manage administrators",
		Example: "  evently admin create --email admin@example.com",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var email string
	create := &cobra.Command{
		Use:   "create --email ADDRESS",
		Short: "Create an administrator",
		Example: "  evently admin create --email admin@example.com\n" +
			"  pass show evently/admin | evently admin create --email admin@example.com",
		Long: "Create an administrator. The password is read twice from a terminal, or from the first line of the\n" +
			"standard input. It is not an argument, because other users of the machine can see those.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return createAdmin(cmd, open, email)
		},
	}
	create.Flags().StringVar(&email, "email", "", "email address of the administrator")
	if err := create.MarkFlagRequired("email"); err != nil {
		panic(err) // misspelled above
	}
	admin.AddCommand(create)
	return admin
}

func createAdmin(cmd *cobra.Command, open func(context.Context) (*service.Auth, func(), error), email string) error {
	ctx := cmd.Context()
	password, err := readNewPassword(ctx, cmd.InOrStdin(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	auth, closeStores, err := open(ctx)
	if err != nil {
		return err
	}
	defer closeStores()
	user, err := auth.CreateAdmin(ctx, email, password)
	if errors.Is(err, domain.ErrEmailTaken) {
		return fmt.Errorf("%s already has an account; nothing was changed", email)
	}
	if err != nil {
		return fmt.Errorf("create the admin %s: %w", email, err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "Created the admin %s (user_id %d)\n", user.Email, user.ID)
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
