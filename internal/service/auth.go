// Package service holds the use cases of Evently: authorisation, transaction boundaries and the interfaces of the
// stores.
package service

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"evently/internal/domain"
)

// UserStore stores the accounts. Emails are compared by domain.EmailKey.
type UserStore interface {
	// CreateUser returns domain.ErrEmailTaken if the email has an account.
	CreateUser(ctx context.Context, email, passwordHash string, role domain.Role) (domain.User, error)
	// UserByEmail returns domain.ErrUserNotFound if the email has no account.
	UserByEmail(ctx context.Context, email string) (domain.User, error)
	// ReplacePasswordHash changes nothing and returns false if the hash is no longer old.
	ReplacePasswordHash(ctx context.Context, userID int64, old, replacement string) (bool, error)
}

// Auth registers users and signs them in.
type Auth struct {
	users     UserStore
	tokens    *Tokens
	passwords *Passwords
}

// NewAuth returns an Auth.
func NewAuth(users UserStore, tokens *Tokens, passwords *Passwords) *Auth {
	return &Auth{users: users, tokens: tokens, passwords: passwords}
}

// Session is a user who is signed in.
type Session struct {
	Token string
	User  domain.User
}

// Register creates an account with the role user and signs it in. It returns domain.ErrValidation, ErrEmailTaken
// or ErrOverloaded.
func (a *Auth) Register(ctx context.Context, email, password string) (Session, error) {
	user, err := a.create(ctx, email, password, domain.RoleUser)
	if err != nil {
		return Session{}, err
	}
	return a.session(user)
}

// Login signs a user in. It returns domain.ErrInvalidCredentials, after the same work for an unknown email as for
// a wrong password, or ErrOverloaded.
func (a *Auth) Login(ctx context.Context, email, password string) (Session, error) {
	user, err := a.account(ctx, email)
	unknown := errors.Is(err, domain.ErrUserNotFound)
	if err != nil && !unknown {
		return Session{}, err
	}
	// An unknown user has an empty hash, which takes as long to verify and never matches.
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

// CreateAdmin creates an account with the role admin. It returns domain.ErrValidation or ErrEmailTaken; an
// existing account is not changed.
func (a *Auth) CreateAdmin(ctx context.Context, email, password string) (domain.User, error) {
	return a.create(ctx, email, password, domain.RoleAdmin)
}

// ensureAttempts is how often EnsureAdmin retries after another instance changed the account.
const ensureAttempts = 5

// EnsureAdmin creates the configured admin, or replaces the password if it differs. It returns
// domain.ErrValidation, and ErrEmailTaken if the account is not an admin: registering the address first must not
// make a user an admin. Instances may call it concurrently.
func (a *Auth) EnsureAdmin(ctx context.Context, email, password string) error {
	email, err := checkCredentials(email, password)
	if err != nil {
		return err
	}
	for range ensureAttempts {
		done, err := a.ensureAdmin(ctx, email, password)
		if done || err != nil {
			return err
		}
	}
	return fmt.Errorf("the admin account %s keeps changing: do all instances have the same ADMIN_PASSWORD?", email)
}

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
			"%s is the account of a user who is not an admin; choose another email for the admin", email))
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

func (a *Auth) create(ctx context.Context, email, password string, role domain.Role) (domain.User, error) {
	email, err := checkCredentials(email, password)
	if err != nil {
		return domain.User{}, err
	}
	hash, err := a.passwords.Hash(ctx, password)
	if err != nil {
		return domain.User{}, err
	}
	return a.users.CreateUser(ctx, email, hash, role)
}

func (a *Auth) account(ctx context.Context, email string) (domain.User, error) {
	email, err := domain.ParseEmail(email)
	if err != nil {
		return domain.User{}, domain.ErrUserNotFound
	}
	return a.users.UserByEmail(ctx, email)
}

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

// checkCredentials returns email as it is stored. It returns domain.ErrValidation with every fault of the email
// and the password of a new account.
func checkCredentials(email, password string) (string, error) {
	var faults []string
	email, err := domain.ParseEmail(email)
	if err != nil {
		faults = append(faults, "email: "+err.Error())
	}
	if err := domain.CheckPassword(password); err != nil {
		faults = append(faults, "password: "+err.Error())
	}
	if len(faults) > 0 {
		return "", domain.ErrValidation.WithDetails(faults...).WithCause(errors.New(strings.Join(faults, ", ")))
	}
	return email, nil
}
