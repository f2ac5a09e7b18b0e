package repository

import (
	"context"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

func (s *Store) CreateUser(ctx context.Context, email, passwordHash string, role domain.Role) (domain.User, error) {
	return one(ctx, s, pgx.RowToStructByPos[domain.User], domain.ErrUserNotFound, `
		INSERT INTO users (email, email_key, password_hash, role)
		VALUES ($1, $2, $3, $4)
		RETURNING user_id, email, password_hash, role, created_at`,
		email, domain.EmailKey(email), passwordHash, role)
}

func (s *Store) UserByEmail(ctx context.Context, email string) (domain.User, error) {
	return one(ctx, s, pgx.RowToStructByPos[domain.User], domain.ErrUserNotFound, `
		SELECT user_id, email, password_hash, role, created_at
		FROM users
		WHERE email_key = $1`, domain.EmailKey(email))
}

func (s *Store) ReplacePasswordHash(ctx context.Context, userID int64, old, replacement string) (bool, error) {
	changed, err := s.exec(ctx, `
		UPDATE users
		SET password_hash = $3
		WHERE user_id = $1 AND password_hash = $2`, userID, old, replacement)
	return changed == 1, err
}
