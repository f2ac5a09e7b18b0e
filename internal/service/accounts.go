package service

import (
	"context"
	"errors"

	"evently/internal/domain"
)

// AccountStore stores what changes about accounts. Methods without an error queue writes in the
// transaction of InTx.
type AccountStore interface {
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
	// LoadUser locks and returns an open account, or domain.ErrUserNotFound.
	LoadUser(ctx context.Context, userID int64) (domain.User, error)
	SaveUser(ctx context.Context, user domain.User)
	CloseUser(ctx context.Context, userID int64)
	// HasOtherAdmin reports whether there is another administrator who can sign in. Other transactions that ask wait
	// until this one ends.
	HasOtherAdmin(ctx context.Context, userID int64) (bool, error)
	// UpcomingBookings returns up to limit live bookings of shows that have not started.
	UpcomingBookings(ctx context.Context, userID int64, limit int) ([]int64, error)
	// ListUsers returns up to limit open accounts with ids above afterID whose email contains the text, and
	// whether there are more.
	ListUsers(ctx context.Context, email string, afterID int64, limit int) (users []domain.User, more bool, err error)
}

// Accounts are the use cases of accounts that exist.
type Accounts struct {
	store     AccountStore
	auth      *Auth
	passwords *Passwords
	epochs    *Epochs
}

// NewAccounts returns the use cases of accounts.
func NewAccounts(store AccountStore, auth *Auth, epochs *Epochs) *Accounts {
	return &Accounts{store: store, auth: auth, passwords: auth.passwords, epochs: epochs}
}

// User returns the account of a token, or domain.ErrUnauthorized if it was closed.
func (a *Accounts) User(ctx context.Context, userID int64) (domain.User, error) {
	user, err := a.auth.users.UserByID(ctx, userID)
	return user, gone(err)
}

// ChangePassword replaces the password, ends all tokens and returns a new one. It fails with
// domain.ErrInvalidCredentials, ErrValidation or ErrOverloaded.
func (a *Accounts) ChangePassword(ctx context.Context, userID int64, current, replacement string) (Session, error) {
	user, err := a.verified(ctx, userID, current)
	if err != nil {
		return Session{}, err
	}
	hash, err := a.auth.chosen(ctx, "new_password", replacement, user.Role)
	if err != nil {
		return Session{}, err
	}
	user, err = a.change(ctx, userID, func(now domain.User) (domain.User, error) {
		if now.PasswordHash != user.PasswordHash { // changed meanwhile
			return now, domain.ErrInvalidCredentials
		}
		now.PasswordHash = hash
		now.Epoch++
		return now, nil
	})
	if err != nil {
		return Session{}, err
	}
	return a.auth.session(user)
}

// Logout ends all tokens of a user.
func (a *Accounts) Logout(ctx context.Context, userID int64) error {
	_, err := a.change(ctx, userID, func(user domain.User) (domain.User, error) {
		user.Epoch++
		return user, nil
	})
	return gone(err)
}

// Update changes an account, and ends its tokens if anything changed. It fails with
// domain.ErrUserNotFound or ErrLastAdmin.
func (a *Accounts) Update(ctx context.Context, userID int64, change domain.UserChange) (domain.User, error) {
	return a.change(ctx, userID, func(user domain.User) (domain.User, error) { return change.Apply(user), nil })
}

// SetPassword replaces a password without asking for the old one, and ends all tokens. It fails with
// domain.ErrUserNotFound or ErrValidation.
func (a *Accounts) SetPassword(ctx context.Context, userID int64, password string) (domain.User, error) {
	user, err := a.auth.users.UserByID(ctx, userID)
	if err != nil {
		return domain.User{}, err
	}
	hash, err := a.auth.chosen(ctx, "password", password, user.Role)
	if err != nil {
		return domain.User{}, err
	}
	return a.change(ctx, userID, func(user domain.User) (domain.User, error) {
		user.PasswordHash = hash
		user.Epoch++
		return user, nil
	})
}

// ByEmail returns the account with this email, or domain.ErrUserNotFound.
func (a *Accounts) ByEmail(ctx context.Context, email string) (domain.User, error) {
	return a.auth.account(ctx, email)
}

// List returns up to limit accounts whose email contains the text, and whether there are more.
func (a *Accounts) List(ctx context.Context, email string, afterID int64, limit int) ([]domain.User, bool, error) {
	return a.store.ListUsers(ctx, email, afterID, limit)
}

// maxListedBookings is how many bookings ErrHasBookings names.
const maxListedBookings = 100

// Close closes an account: its email and password are erased, its tokens end, and its bookings stay. It
// fails with domain.ErrInvalidCredentials, ErrHasBookings (booking_ids) or ErrLastAdmin.
func (a *Accounts) Close(ctx context.Context, userID int64, password string) error {
	verified, err := a.verified(ctx, userID, password)
	if err != nil {
		return err
	}
	var epoch int32
	err = a.store.InTx(ctx, func(ctx context.Context) error {
		user, err := a.store.LoadUser(ctx, userID)
		if err != nil {
			return gone(err)
		}
		if user.PasswordHash != verified.PasswordHash { // changed meanwhile
			return domain.ErrInvalidCredentials
		}
		bookings, err := a.store.UpcomingBookings(ctx, userID, maxListedBookings)
		if err != nil {
			return err
		}
		if len(bookings) > 0 {
			return domain.ErrHasBookings.With("booking_ids", bookings)
		}
		epoch = user.Epoch + 1
		closed := user
		closed.Blocked = true
		if err := a.keepsAdmin(ctx, user, closed); err != nil {
			return err
		}
		a.store.CloseUser(ctx, userID)
		return nil
	})
	if err != nil {
		return err
	}
	a.epochs.Learn(userID, epoch)
	return nil
}

// change applies fn to an account in one transaction. Tokens that it ends have ended on this instance when
// change returns.
func (a *Accounts) change(ctx context.Context, userID int64, fn func(domain.User) (domain.User, error)) (domain.User, error) {
	var user domain.User
	err := a.store.InTx(ctx, func(ctx context.Context) error {
		before, err := a.store.LoadUser(ctx, userID)
		if err != nil {
			return err
		}
		if user, err = fn(before); err != nil || user == before {
			return err
		}
		if err := a.keepsAdmin(ctx, before, user); err != nil {
			return err
		}
		a.store.SaveUser(ctx, user)
		return nil
	})
	if err != nil {
		return domain.User{}, err
	}
	a.epochs.Learn(userID, user.Epoch)
	return user, nil
}

// keepsAdmin returns domain.ErrLastAdmin if a change leaves no administrator who can sign in.
func (a *Accounts) keepsAdmin(ctx context.Context, before, after domain.User) error {
	if !before.IsActiveAdmin() || after.IsActiveAdmin() {
		return nil
	}
	others, err := a.store.HasOtherAdmin(ctx, before.ID)
	if err == nil && !others {
		return domain.ErrLastAdmin
	}
	return err
}

// verified returns the account if the password is right.
func (a *Accounts) verified(ctx context.Context, userID int64, password string) (domain.User, error) {
	user, err := a.auth.users.UserByID(ctx, userID)
	if err != nil {
		return domain.User{}, gone(err)
	}
	ok, err := a.passwords.Verify(ctx, user.PasswordHash, password)
	if err == nil && !ok {
		err = domain.ErrInvalidCredentials
	}
	return user, err
}

// gone makes domain.ErrUnauthorized of a missing account: its token is about to end.
func gone(err error) error {
	if errors.Is(err, domain.ErrUserNotFound) {
		return domain.ErrUnauthorized
	}
	return err
}
