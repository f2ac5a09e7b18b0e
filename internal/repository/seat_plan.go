package repository

import (
	"context"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

const (
	// A seat changes status only when a booking of the show begins, is confirmed or ends, so the version is a hash
	// of live bookings.
	seatsVersion = `
		SELECT concat_ws(' ', venue_id, total_seats, live.bookings, live.sum, live.first_end, live.last_end)
		FROM shows
		CROSS JOIN LATERAL (
			SELECT count(*) AS bookings,
			       sum(hashint8extended(CASE status WHEN 'CONFIRMED' THEN -booking_id ELSE booking_id END, 0)) AS sum,
			       min(expires_at) AS first_end,
			       max(expires_at) AS last_end
			FROM bookings
			WHERE bookings.show_id = shows.show_id AND status <> 'CANCELLED'
		) live
		WHERE show_id = $1 AND deleted_at IS NULL`

	// The CASE limits the join to locked seats: a sold-out hall would else cost one lookup per seat.
	seatPlan = `
		SELECT ` + seatColumns + `,
		       CASE WHEN seat.available THEN 'AVAILABLE' ELSE show_seats.status::text END,
		       CASE WHEN seat.available THEN 0 ELSE show_seats.booking_id END,
		       coalesce(bookings.expires_at - now(), '0')
		FROM shows
		JOIN show_seats USING (show_id)
		JOIN seats ON seats.venue_id = shows.venue_id AND seats.seat_id = show_seats.seat_id
		LEFT JOIN bookings
		       ON bookings.show_id = show_seats.show_id
		      AND bookings.booking_id = show_seats.booking_id
		      AND ` + liveHold + `
		CROSS JOIN LATERAL (
			SELECT show_seats.status = 'AVAILABLE'
			       OR (show_seats.status = 'LOCKED' AND bookings.booking_id IS NULL) AS available
		) seat
		WHERE shows.show_id = $1
		ORDER BY ` + seatOrder
)

func (s *Store) SeatsVersion(ctx context.Context, showID int64) (string, error) {
	return one(ctx, s, pgx.RowTo[string], domain.ErrShowNotFound, seatsVersion, showID)
}

// SeatPlan reads the version first: a change in between makes the next one differ.
func (s *Store) SeatPlan(ctx context.Context, showID int64) (version string, seats []domain.PlannedSeat, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		seats = []domain.PlannedSeat{}
		batch := &pgx.Batch{}
		batch.Queue(seatsVersion, showID).QueryRow(func(row pgx.Row) error {
			return notFound(row.Scan(&version), domain.ErrShowNotFound)
		})
		batch.Queue(seatPlan, showID).Query(func(rows pgx.Rows) error {
			var seat domain.PlannedSeat
			into := append(seatTargets(&seat.Seat), &seat.Status, &seat.BookingID, &seat.HoldLeft)
			_, err := pgx.ForEachRow(rows, into, func() error {
				// Maps are kept: seats side by side share their strings.
				if n := len(seats); n > 0 {
					share(&seat.Section, seats[n-1].Section)
					share(&seat.Row, seats[n-1].Row)
					share(&seat.Category, seats[n-1].Category)
				}
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

// share makes s the same string as before, if it is equal.
func share(s *string, before string) {
	if *s == before {
		*s = before
	}
}
