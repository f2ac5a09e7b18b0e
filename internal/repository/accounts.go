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

// LoadUser implements service.AccountStore.
func (s *Store) LoadUser(ctx context.Context, userID int64) (domain.User, error) {
	var user domain.User
	batch := &pgx.Batch{}
	batch.Queue(lockUser, userID)
	batch.Queue(lockAdmins)
	batch.Queue(`SELECT `+userColumns+` FROM users WHERE user_id = $1 AND closed_at IS NULL FOR UPDATE`, userID).QueryRow(
		func(row pgx.Row) (err error) {
			user, err = scanUser(row)
			return notFound(err, domain.ErrUserNotFound)
		})
	return user, s.send(ctx, batch)
}

// SaveUser implements service.AccountStore.
func (s *Store) SaveUser(ctx context.Context, user domain.User) {
	enqueue(ctx, saveUser, user.ID, user.Role, user.PasswordHash, user.Epoch, user.Blocked)
}

// CloseUser implements service.AccountStore.
func (s *Store) CloseUser(ctx context.Context, userID int64) { enqueue(ctx, closeUser, userID) }

// HasOtherAdmin implements service.AccountStore.
func (s *Store) HasOtherAdmin(ctx context.Context, userID int64) (found bool, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, `
			SELECT EXISTS (
				SELECT
				FROM users
				WHERE role = 'admin' AND user_id <> $1 AND blocked_at IS NULL AND closed_at IS NULL
			)`, userID).Scan(&found)
	})
	return found, err
}

// UpcomingBookings implements service.AccountStore.
func (s *Store) UpcomingBookings(ctx context.Context, userID int64, limit int) (ids []int64, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, upcomingBookings, userID, limit)
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	return ids, err
}

// ListUsers implements service.AccountStore.
func (s *Store) ListUsers(ctx context.Context, email string, afterID int64, limit int) (users []domain.User, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `
			SELECT `+userColumns+`
			FROM users
			WHERE user_id > $1 AND closed_at IS NULL AND strpos(email_key, $2) > 0
			ORDER BY user_id
			LIMIT $3`, afterID, domain.Fold(email), limit)
		if err != nil {
			return err
		}
		users, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (domain.User, error) { return scanUser(row) })
		return err
	})
	return users, err
}

// ChangedEpochs implements service.EpochStore.
func (s *Store) ChangedEpochs(ctx context.Context, after domain.Epoch, limit int) (epochs []domain.Epoch, now time.Time, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		if err := q.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
			return err
		}
		rows, err := q.Query(ctx, `
			SELECT user_id, epoch, epoch_changed_at
			FROM users
			WHERE (epoch_changed_at, user_id) > ($1, $2)
			ORDER BY epoch_changed_at, user_id
			LIMIT $3`, after.ChangedAt, after.UserID, limit)
		if err != nil {
			return err
		}
		epochs, err = pgx.CollectRows(rows, pgx.RowToStructByPos[domain.Epoch])
		return err
	})
	return epochs, now, err
}
