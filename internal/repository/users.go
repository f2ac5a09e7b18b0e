package repository

import (
	"context"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

var emailTaken = map[string]*domain.Error{"users_email_key_key": domain.ErrEmailTaken}

// CreateUser inserts an account.
func (s *Store) CreateUser(ctx context.Context, email, passwordHash string, role domain.Role) (domain.User, error) {
	var user domain.User
	err := s.run(ctx, func(ctx context.Context, q querier) error {
		row := q.QueryRow(ctx, `
			INSERT INTO users (email, email_key, password_hash, role)
			VALUES ($1, $2, $3, $4)
			RETURNING user_id, email, password_hash, role, created_at`,
			email, domain.EmailKey(email), passwordHash, role)
		var err error
		user, err = scanUser(row)
		return onConstraint(err, emailTaken)
	})
	return user, err
}

// UserByEmail returns the account with this email, regardless of case, or domain.ErrUserNotFound.
func (s *Store) UserByEmail(ctx context.Context, email string) (domain.User, error) {
	var user domain.User
	err := s.run(ctx, func(ctx context.Context, q querier) error {
		row := q.QueryRow(ctx, `
			SELECT user_id, email, password_hash, role, created_at
			FROM users
			WHERE email_key = $1`,
			domain.EmailKey(email))
		var err error
		user, err = scanUser(row)
		return notFound(err, domain.ErrUserNotFound)
	})
	return user, err
}

// ReplacePasswordHash sets the password hash of an account if it is still old, and reports whether it did.
func (s *Store) ReplacePasswordHash(ctx context.Context, userID int64, old, replacement string) (bool, error) {
	var replaced bool
	err := s.run(ctx, func(ctx context.Context, q querier) error {
		tag, err := q.Exec(ctx, `
			UPDATE users
			SET password_hash = $3
			WHERE user_id = $1 AND password_hash = $2`,
			userID, old, replacement)
		replaced = tag.RowsAffected() == 1
		return err
	})
	return replaced, err
}

func scanUser(row pgx.Row) (domain.User, error) {
	var user domain.User
	err := row.Scan(&user.ID, &user.Email, &user.PasswordHash, &user.Role, &user.CreatedAt)
	return user, err
}
