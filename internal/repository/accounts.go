package repository

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

const (
	// lockAdmins makes changes wait that may take away the last administrator.
	lockAdmins = `SELECT pg_advisory_xact_lock(hashtextextended('admins', 0))`

	// lockAccount makes the user's bookings wait.
	lockAccount = `
		SELECT pg_advisory_xact_lock(` + userKey + `)
		FROM (VALUES ($1::bigint)) AS account (user_id)`

	saveUser = `
		UPDATE users
		SET role = $2, password_hash = $3, epoch = $4, epoch_changed_at = clock_timestamp(),
		    blocked_at = CASE WHEN $5 THEN coalesce(blocked_at, now()) END
		WHERE user_id = $1`

	closeUser = `
		UPDATE users
		SET closed_at = now(), email = '', email_key = NULL, password_hash = '',
		    epoch = epoch + 1, epoch_changed_at = clock_timestamp()
		WHERE user_id = $1`

	upcomingBookings = `
		SELECT bookings.booking_id
		FROM bookings
		JOIN shows ON shows.show_id = bookings.show_id
		WHERE bookings.user_id = $1 AND ` + liveBooking + ` AND shows.start_time > now()
		ORDER BY bookings.booking_id
		LIMIT $2`
)

func (s *Store) LoadUser(ctx context.Context, userID int64) (domain.User, error) {
	var user domain.User
	batch := &pgx.Batch{}
	batch.Queue(lockAccount, userID)
	batch.Queue(`SELECT `+userColumns+` FROM users WHERE user_id = $1 AND closed_at IS NULL FOR UPDATE`, userID).Query(
		func(rows pgx.Rows) (err error) {
			user, err = pgx.CollectExactlyOneRow(rows, toUser)
			return notFound(err, domain.ErrUserNotFound)
		})
	return user, s.send(ctx, batch)
}

func (s *Store) SaveUser(ctx context.Context, user domain.User) {
	enqueue(ctx, saveUser, user.ID, user.Role, user.PasswordHash, user.Epoch, user.Blocked)
}

func (s *Store) CloseUser(ctx context.Context, userID int64) { enqueue(ctx, closeUser, userID) }

func (s *Store) HasOtherAdmin(ctx context.Context, userID int64) (bool, error) {
	if _, err := s.exec(ctx, lockAdmins); err != nil {
		return false, err
	}
	return one(ctx, s, pgx.RowTo[bool], nil, `
		SELECT EXISTS (
			SELECT
			FROM users
			WHERE role = 'admin' AND user_id <> $1 AND blocked_at IS NULL AND closed_at IS NULL
		)`, userID)
}

func (s *Store) UpcomingBookings(ctx context.Context, userID int64, limit int) ([]int64, error) {
	return list(ctx, s, pgx.RowTo[int64], upcomingBookings, userID, limit)
}

func (s *Store) ListUsers(
	ctx context.Context, email string, afterID int64, limit int,
) (users []domain.User, more bool, err error) {
	users, err = list(ctx, s, toUser, `
		SELECT `+userColumns+`
		FROM users
		WHERE user_id > $1 AND closed_at IS NULL AND strpos(email_key, $2) > 0
		ORDER BY user_id
		LIMIT $3`, afterID, domain.Fold(email), limit+1)
	users, more = page(users, limit)
	return users, more, err
}

func (s *Store) ChangedEpochs(
	ctx context.Context, after domain.Epoch, limit int,
) (epochs []domain.Epoch, now time.Time, err error) {
	batch := &pgx.Batch{}
	batch.Queue(`SELECT clock_timestamp()`).QueryRow(func(row pgx.Row) error { return row.Scan(&now) })
	collect(batch, &epochs, pgx.RowToStructByPos[domain.Epoch], `
		SELECT user_id, epoch, epoch_changed_at
		FROM users
		WHERE (epoch_changed_at, user_id) > ($1, $2)
		ORDER BY epoch_changed_at, user_id
		LIMIT $3`, after.ChangedAt, after.UserID, limit)
	// Not by run: in a rush, when requests are refused a connection, this one waits for its turn.
	err = s.pool.SendBatch(ctx, batch).Close()
	return epochs, now, s.translate(ctx, err)
}
