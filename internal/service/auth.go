// Package service holds the use cases of Evently: authorisation, transaction boundaries and the interfaces of the
// stores.
package service

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"evently/internal/domain"
)

// UserStore stores the accounts. Emails are compared by domain.EmailKey.
type UserStore interface {
	// CreateUser returns domain.ErrEmailTaken if the email has an account.
	CreateUser(ctx context.Context, email, passwordHash string, role domain.Role) (domain.User, error)
	// UserByID returns domain.ErrUserNotFound if there is no such account, or it was closed.
	UserByID(ctx context.Context, userID int64) (domain.User, error)
	// UserByEmail returns domain.ErrUserNotFound if the email has no account.
	UserByEmail(ctx context.Context, email string) (domain.User, error)
	// ReplacePasswordHash changes nothing and returns false if the hash is no longer old.
	ReplacePasswordHash(ctx context.Context, userID int64, old, replacement string) (bool, error)
	// ReplacePassword is ReplacePasswordHash for another password: it ends the user's tokens.
	ReplacePassword(ctx context.Context, userID int64, old, replacement string) (bool, error)
}

// Auth registers users and signs them in.
type Auth struct {
	users     UserStore
	tokens    *Tokens
	passwords *Passwords
	common    map[string]bool
}

// NewAuth returns an Auth. The passwords in common, in lower case, cannot be chosen.
func NewAuth(users UserStore, tokens *Tokens, passwords *Passwords, common map[string]bool) *Auth {
	return &Auth{users: users, tokens: tokens, passwords: passwords, common: common}
}

// Session is a user who is signed in.
type Session struct {
	Token string
	User  domain.User
}

// Register creates an account with the role user and signs it in. It returns domain.ErrValidation,
// ErrWeakPassword, ErrEmailTaken or ErrOverloaded.
func (a *Auth) Register(ctx context.Context, email, password string) (Session, error) {
	user, err := a.Create(ctx, email, password, domain.RoleUser)
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
	if user.Blocked {
		return Session{}, domain.ErrAccountBlocked
	}
	if err := a.renewHash(ctx, user, password); err != nil {
		return Session{}, err
	}
	return a.session(user)
}

// Create creates an account with a role. It returns domain.ErrValidation, ErrWeakPassword or ErrEmailTaken; an
// existing account is not changed.
func (a *Auth) Create(ctx context.Context, email, password string, role domain.Role) (domain.User, error) {
	email, err := checkCredentials(email, password, role)
	if err != nil {
		return domain.User{}, err
	}
	hash, err := a.newHash(ctx, password)
	if err != nil {
		return domain.User{}, err
	}
	return a.users.CreateUser(ctx, email, hash, role)
}

// newHash returns the hash of a password that was chosen just now, or domain.ErrWeakPassword.
func (a *Auth) newHash(ctx context.Context, password string) (string, error) {
	if a.common[strings.ToLower(password)] {
		return "", domain.ErrWeakPassword
	}
	return a.passwords.Hash(ctx, password)
}

// ensureAttempts is how often EnsureAdmin retries after another instance changed the account.
const ensureAttempts = 5

// EnsureAdmin creates the configured admin, or replaces the password if it differs. It returns a warning for an
// account that it leaves as it is: one that is not an admin's, since registering the address first must not make a user
// an admin, and one with a short password. It fails with domain.ErrValidation or ErrWeakPassword. Instances may call
// it concurrently.
func (a *Auth) EnsureAdmin(ctx context.Context, email, password string) (warning string, err error) {
	email, err = checkCredentials(email, password, domain.RoleUser)
	if err != nil {
		return "", err
	}
	for range ensureAttempts {
		done, warning, err := a.ensureAdmin(ctx, email, password)
		if done || err != nil {
			return warning, err
		}
	}
	return "", fmt.Errorf("the admin account %s keeps changing: do all instances have the same ADMIN_PASSWORD?", email)
}

func (a *Auth) ensureAdmin(ctx context.Context, email, password string) (done bool, warning string, err error) {
	user, err := a.account(ctx, email)
	if errors.Is(err, domain.ErrUserNotFound) {
		_, err = a.Create(ctx, email, password, domain.RoleAdmin)
		if errors.Is(err, domain.ErrEmailTaken) {
			return false, "", nil
		}
		return err == nil, "", err
	}
	if err != nil {
		return false, "", err
	}
	if user.Role != domain.RoleAdmin {
		return true, "it is not an admin's: " +
			"if it is yours, run `evently admin promote --email " + email + "`", nil
	}
	same, err := a.passwords.Verify(ctx, user.PasswordHash, password)
	if err != nil {
		return false, "", err
	}
	if same {
		if domain.CheckPassword(password, user.Role) != nil {
			warning = "its password is short: admins need " + strconv.Itoa(domain.MinStaffPassword) + " bytes"
		}
		return true, warning, nil
	}
	hash, err := a.chosen(ctx, "password", password, user.Role)
	if err != nil {
		return false, "", err
	}
	done, err = a.users.ReplacePassword(ctx, user.ID, user.PasswordHash, hash)
	return done, "", err
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
func checkCredentials(email, password string, role domain.Role) (string, error) {
	var faults []string
	email, err := domain.ParseEmail(email)
	if err != nil {
		faults = append(faults, "email: "+err.Error())
	}
	if err := domain.CheckPassword(password, role); err != nil {
		faults = append(faults, "password: "+err.Error())
	}
	if len(faults) > 0 {
		return "", domain.ErrValidation.WithDetails(faults...).WithCause(errors.New(strings.Join(faults, ", ")))
	}
	return email, nil
}

// chosen returns the hash of another password for an account. It returns domain.ErrValidation for the field, or
// ErrWeakPassword, if it may not be chosen.
func (a *Auth) chosen(ctx context.Context, field, password string, role domain.Role) (string, error) {
	if err := domain.CheckPassword(password, role); err != nil {
		fault := field + ": " + err.Error()
		return "", domain.ErrValidation.WithDetails(fault).WithCause(errors.New(fault))
	}
	return a.newHash(ctx, password)
}
