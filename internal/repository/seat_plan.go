package repository

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"evently/internal/domain"
)

const (
	// A seat changes status only when a booking of the show begins, is confirmed or ends. So the version
	// is a hash of the ids of live bookings and whether they are confirmed. The sums and bounds are read
	// from the index of live bookings alone.
	seatsVersion = `
		SELECT concat_ws(' ', s.venue_id, s.total_seats, live.bookings, live.sum, live.first_end, live.last_end)
		FROM shows s
		CROSS JOIN LATERAL (
			SELECT count(*) AS bookings,
			       sum(hashint8extended(CASE b.status WHEN 'CONFIRMED' THEN -b.booking_id ELSE b.booking_id END, 0)) AS sum,
			       min(b.expires_at) AS first_end,
			       max(b.expires_at) AS last_end
			FROM bookings b
			WHERE b.show_id = s.show_id AND b.status <> 'CANCELLED'
		) live
		WHERE s.show_id = $1 AND s.deleted_at IS NULL`

	// A seat whose hold has expired is available. The CASE limits the join to locked seats: a sold-out
	// hall would else cost one lookup per seat.
	seatPlan = `
		SELECT seat.seat_id, seat.venue_id, seat.seat_row, seat.seat_number,
		       CASE WHEN ss.status = 'LOCKED' AND hold.booking_id IS NULL THEN 'AVAILABLE' ELSE ss.status::text END,
		       CASE WHEN ss.status = 'LOCKED' AND hold.booking_id IS NULL THEN 0 ELSE coalesce(ss.booking_id, 0) END,
		       coalesce(hold.expires_at - now(), '0')
		FROM show_seats ss
		JOIN seats seat ON seat.seat_id = ss.seat_id
		LEFT JOIN bookings hold
		       ON hold.booking_id = CASE WHEN ss.status = 'LOCKED' THEN ss.booking_id END
		      AND hold.status = 'PENDING' AND hold.expires_at > now()
		WHERE ss.show_id = $1
		ORDER BY length(seat.seat_row), seat.seat_row COLLATE "C", seat.seat_number`
)

// SeatsVersion implements seatmap.Reader.
func (s *Store) SeatsVersion(ctx context.Context, showID int64) (version string, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		return notFound(q.QueryRow(ctx, seatsVersion, showID).Scan(&version), domain.ErrShowNotFound)
	})
	return version, err
}

// SeatPlan implements seatmap.Reader. It reads version and seats in one round trip, the version first:
// a change in between is in the seats, and makes the next version differ.
func (s *Store) SeatPlan(ctx context.Context, showID int64) (version string, seats []domain.PlannedSeat, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		seats = []domain.PlannedSeat{}
		batch := &pgx.Batch{}
		batch.Queue(seatsVersion, showID).QueryRow(func(row pgx.Row) error {
			return notFound(row.Scan(&version), domain.ErrShowNotFound)
		})
		batch.Queue(seatPlan, showID).Query(func(rows pgx.Rows) error {
			var seat domain.PlannedSeat
			var seatRow, status []byte
			var left time.Duration
			into := []any{&seat.ID, &seat.VenueID, (*pgtype.DriverBytes)(&seatRow), &seat.Number, (*pgtype.DriverBytes)(&status), &seat.BookingID, &left}
			_, err := pgx.ForEachRow(rows, into, func() error {
				// Consecutive seats share their row and often their status, so share the strings.
				if string(seatRow) != seat.Row {
					seat.Row = string(seatRow)
				}
				if domain.SeatStatus(status) != seat.Status {
					seat.Status = domain.SeatStatus(status)
				}
				seat.HoldLeft = left
				seats = append(seats, seat)
				return nil
			})
			return err
		})
		return q.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return "", nil, err
	}
	return version, seats, nil
}
