// Package service holds the use cases of Evently: what may be done, by whom, and what is one
// transaction. It declares the stores that it needs and knows neither SQL nor HTTP.
package service

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"evently/internal/domain"
)

// UserStore keeps the accounts. Emails are compared without regard to case.
type UserStore interface {
	// CreateUser is domain.ErrEmailTaken when the email has an account.
	CreateUser(ctx context.Context, email, passwordHash string, role domain.Role) (domain.User, error)
	// UserByEmail is domain.ErrUserNotFound when the email has no account.
	UserByEmail(ctx context.Context, email string) (domain.User, error)
	// ReplacePasswordHash reports false, and changes nothing, when the hash is not old any more.
	ReplacePasswordHash(ctx context.Context, userID int64, old, replacement string) (bool, error)
}

// AuthDeps is what Auth works with.
type AuthDeps struct {
	Users     UserStore
	Tokens    *Tokens
	Passwords *Passwords
}

// Auth registers people and signs them in.
type Auth struct {
	users     UserStore
	tokens    *Tokens
	passwords *Passwords
}

// NewAuth gives an Auth.
func NewAuth(deps AuthDeps) *Auth {
	return &Auth{users: deps.Users, tokens: deps.Tokens, passwords: deps.Passwords}
}

// Session is somebody signed in.
type Session struct {
	Token string
	User  domain.User
}

// Register makes an account with the role user and signs it in. It fails with
// domain.ErrValidation, ErrEmailTaken or ErrOverloaded.
func (a *Auth) Register(ctx context.Context, email, password string) (Session, error) {
	user, err := a.create(ctx, email, password, domain.RoleUser)
	if err != nil {
		return Session{}, err
	}
	return a.session(user)
}

// Login signs somebody in. An unknown email and a wrong password are the same
// domain.ErrInvalidCredentials after the same work; it may be ErrOverloaded too.
func (a *Auth) Login(ctx context.Context, email, password string) (Session, error) {
	user, err := a.account(ctx, email)
	unknown := errors.Is(err, domain.ErrUserNotFound)
	if err != nil && !unknown {
		return Session{}, err
	}
	// An unknown user has no hash: verifying that takes its time, too, and always fails.
	ok, err := a.passwords.Verify(ctx, user.PasswordHash, password)
	if err != nil {
		return Session{}, err
	}
	if !ok || unknown {
		return Session{}, domain.ErrInvalidCredentials
	}
	if err := a.renewHash(ctx, user, password); err != nil {
		return Session{}, err
	}
	return a.session(user)
}

// CreateAdmin makes an account with the role admin. It fails with domain.ErrValidation or
// ErrEmailTaken: an account that exists is not changed.
func (a *Auth) CreateAdmin(ctx context.Context, email, password string) (domain.User, error) {
	return a.create(ctx, email, password, domain.RoleAdmin)
}

// ensureAttempts bounds how often EnsureAdmin looks anew after another instance was faster.
const ensureAttempts = 5

// EnsureAdmin sees to it that the admin whom the operator declared can sign in with the
// password declared: it makes the account when there is none and replaces a password that
// differs. An account of that email which is no admin stays as it is, and the error is
// domain.ErrEmailTaken: whoever registered an address first must not become an admin by it. A
// declaration that cannot be is domain.ErrValidation. Any number of instances may do this at once.
func (a *Auth) EnsureAdmin(ctx context.Context, email, password string) error {
	if err := checkCredentials(email, password); err != nil {
		return err
	}
	for range ensureAttempts {
		done, err := a.ensureAdmin(ctx, email, password)
		if done || err != nil {
			return err
		}
	}
	return fmt.Errorf("the admin account %s keeps changing: do all instances declare the same password?", email)
}

// ensureAdmin is one attempt. It is not done when the account changed meanwhile.
func (a *Auth) ensureAdmin(ctx context.Context, email, password string) (done bool, err error) {
	user, err := a.account(ctx, email)
	if errors.Is(err, domain.ErrUserNotFound) {
		_, err = a.create(ctx, email, password, domain.RoleAdmin)
		if errors.Is(err, domain.ErrEmailTaken) {
			return false, nil
		}
		return err == nil, err
	}
	if err != nil {
		return false, err
	}
	if user.Role != domain.RoleAdmin {
		return false, domain.ErrEmailTaken.WithMessage(fmt.Sprintf(
			"%s is the account of a user who is no admin; choose another email for the admin", email))
	}
	same, err := a.passwords.Verify(ctx, user.PasswordHash, password)
	if same || err != nil {
		return same, err
	}
	hash, err := a.passwords.Hash(ctx, password)
	if err != nil {
		return false, err
	}
	return a.users.ReplacePasswordHash(ctx, user.ID, user.PasswordHash, hash)
}

// create leaves it to the store whether the email is taken: a look beforehand would prove nothing.
func (a *Auth) create(ctx context.Context, email, password string, role domain.Role) (domain.User, error) {
	if err := checkCredentials(email, password); err != nil {
		return domain.User{}, err
	}
	hash, err := a.passwords.Hash(ctx, password)
	if err != nil {
		return domain.User{}, err
	}
	return a.users.CreateUser(ctx, email, hash, role)
}

// account gives the user with this email. What can be no email has no account.
func (a *Auth) account(ctx context.Context, email string) (domain.User, error) {
	if !domain.ValidEmail(email) {
		return domain.User{}, domain.ErrUserNotFound
	}
	return a.users.UserByEmail(ctx, email)
}

// renewHash brings the hash of a password that was just verified to the cost of today. It can
// wait for the next login when there is no time for it now.
func (a *Auth) renewHash(ctx context.Context, user domain.User, password string) error {
	if !a.passwords.Outdated(user.PasswordHash) {
		return nil
	}
	hash, err := a.passwords.Hash(ctx, password)
	if errors.Is(err, domain.ErrOverloaded) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = a.users.ReplacePasswordHash(ctx, user.ID, user.PasswordHash, hash)
	return err
}

func (a *Auth) session(user domain.User) (Session, error) {
	token, err := a.tokens.Issue(user)
	if err != nil {
		return Session{}, err
	}
	return Session{Token: token, User: user}, nil
}

// checkCredentials says everything that is wrong with an email and a password to be.
func checkCredentials(email, password string) error {
	var faults []string
	if !domain.ValidEmail(email) {
		faults = append(faults, "email: must be an email address")
	}
	if !domain.ValidPassword(password) {
		faults = append(faults, fmt.Sprintf("password: must have %d to %d bytes", domain.MinPassword, domain.MaxPassword))
	}
	if len(faults) == 0 {
		return nil
	}
	return domain.ErrValidation.WithDetails(faults...).WithCause(errors.New(strings.Join(faults, ", ")))
}
