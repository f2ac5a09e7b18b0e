package repository

import (
	"context"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

// userColumns are the fields of domain.User.
const userColumns = `user_id, email, password_hash, role, epoch, blocked_at IS NOT NULL, created_at`

var toUser = pgx.RowToStructByPos[domain.User]

func (s *Store) CreateUser(ctx context.Context, email, passwordHash string, role domain.Role) (domain.User, error) {
	// The violation of a constraint would put the email into PostgreSQL's log.
	return one(ctx, s, toUser, domain.ErrEmailTaken, `
		INSERT INTO users (email, email_key, password_hash, role)
		VALUES ($1, $2, $3, $4)
		ON CONFLICT (email_key) DO NOTHING
		RETURNING `+userColumns, email, domain.EmailKey(email), passwordHash, role)
}

func (s *Store) UserByID(ctx context.Context, userID int64) (domain.User, error) {
	return one(ctx, s, toUser, domain.ErrUserNotFound, `
		SELECT `+userColumns+`
		FROM users
		WHERE user_id = $1 AND closed_at IS NULL`, userID)
}

func (s *Store) UserByEmail(ctx context.Context, email string) (domain.User, error) {
	return one(ctx, s, toUser, domain.ErrUserNotFound, `
		SELECT `+userColumns+`
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

func (s *Store) ReplacePassword(ctx context.Context, userID int64, old, replacement string) (bool, error) {
	changed, err := s.exec(ctx, `
		UPDATE users
		SET password_hash = $3, epoch = epoch + 1, epoch_changed_at = clock_timestamp()
		WHERE user_id = $1 AND password_hash = $2`, userID, old, replacement)
	return changed == 1, err
}
