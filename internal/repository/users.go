package repository

import (
	"context"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

// emailTaken maps the unique constraint of emails to its error.
var emailTaken = map[string]*domain.Error{"users_email_key_key": domain.ErrEmailTaken}

// CreateUser inserts an account. It returns domain.ErrEmailTaken if there is one with this email,
// regardless of case.
func (s *Store) CreateUser(ctx context.Context, email, passwordHash string, role domain.Role) (domain.User, error) {
	var user domain.User
	err := s.run(ctx, func(ctx context.Context, q querier) error {
		row := q.QueryRow(ctx, `
			INSERT INTO users (email, email_key, password_hash, role)
			VALUES ($1, $2, $3, $4)
			RETURNING `+userColumns,
			email, domain.EmailKey(email), passwordHash, role)
		var err error
		user, err = scanUser(row)
		return onConstraint(err, emailTaken)
	})
	return user, err
}

const userColumns = `user_id, email, password_hash, role, created_at, epoch, blocked_at IS NOT NULL`

// UserByID returns an open account, or domain.ErrUserNotFound.
func (s *Store) UserByID(ctx context.Context, userID int64) (user domain.User, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		row := q.QueryRow(ctx, `
			SELECT `+userColumns+`
			FROM users
			WHERE user_id = $1 AND closed_at IS NULL`, userID)
		user, err = scanUser(row)
		return notFound(err, domain.ErrUserNotFound)
	})
	return user, err
}

// UserByEmail returns the account with this email, regardless of case, or domain.ErrUserNotFound.
func (s *Store) UserByEmail(ctx context.Context, email string) (domain.User, error) {
	var user domain.User
	err := s.run(ctx, func(ctx context.Context, q querier) error {
		row := q.QueryRow(ctx, `
			SELECT `+userColumns+`
			FROM users
			WHERE email_key = $1`,
			domain.EmailKey(email))
		var err error
		user, err = scanUser(row)
		return notFound(err, domain.ErrUserNotFound)
	})
	return user, err
}

// ReplacePasswordHash implements service.UserStore.
func (s *Store) ReplacePasswordHash(ctx context.Context, userID int64, old, replacement string) (bool, error) {
	return s.replaceHash(ctx, `
		UPDATE users
		SET password_hash = $3
		WHERE user_id = $1 AND password_hash = $2`, userID, old, replacement)
}

// ReplacePassword implements service.UserStore.
func (s *Store) ReplacePassword(ctx context.Context, userID int64, old, replacement string) (bool, error) {
	return s.replaceHash(ctx, `
		UPDATE users
		SET password_hash = $3, epoch = epoch + 1, epoch_changed_at = clock_timestamp()
		WHERE user_id = $1 AND password_hash = $2`, userID, old, replacement)
}

func (s *Store) replaceHash(ctx context.Context, sql string, userID int64, old, replacement string) (bool, error) {
	var replaced bool
	err := s.run(ctx, func(ctx context.Context, q querier) error {
		tag, err := q.Exec(ctx, sql, userID, old, replacement)
		replaced = tag.RowsAffected() == 1
		return err
	})
	return replaced, err
}

func scanUser(row pgx.Row) (domain.User, error) {
	var user domain.User
	err := row.Scan(&user.ID, &user.Email, &user.PasswordHash, &user.Role, &user.CreatedAt, &user.Epoch, &user.Blocked)
	return user, err
}
