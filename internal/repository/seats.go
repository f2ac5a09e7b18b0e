package repository

import (
	"context"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

const maxVenueSeats = 200_000

func (s *Store) VenueSeats(ctx context.Context, venueID int64) ([]domain.Seat, error) {
	return list(ctx, s, pgx.RowToStructByPos[domain.Seat], `
		SELECT seat_id, venue_id, seat_row, seat_number
		FROM seats
		WHERE venue_id = $1
		ORDER BY length(seat_row), seat_row COLLATE "C", seat_number
		LIMIT $2`, venueID, maxVenueSeats)
}

// InsertSeats adds the places that the venue lacks, to the venue and to its shows that have not started, and
// returns how many there were.
func (s *Store) InsertSeats(ctx context.Context, venueID int64, places []domain.SeatPlace) (added int, err error) {
	seatRows, numbers := placeColumns(places)
	err = s.withinTx(ctx, func(ctx context.Context, q querier) error {
		var firstID int64
		err := q.QueryRow(ctx, `
			WITH added AS (
				INSERT INTO seats (venue_id, seat_row, seat_number)
				SELECT DISTINCT $1::bigint, place.seat_row, place.seat_number
				FROM unnest($2::text[], $3::integer[]) AS place (seat_row, seat_number)
				ORDER BY place.seat_row, place.seat_number
				ON CONFLICT ON CONSTRAINT seats_venue_row_number_key DO NOTHING
				RETURNING seat_id
			)
			SELECT count(*), coalesce(min(seat_id), 0)
			FROM added`, venueID, seatRows, numbers).Scan(&added, &firstID)
		if err != nil || added == 0 {
			return err
		}
		var total int
		err = q.QueryRow(ctx, `
			SELECT count(*)
			FROM seats
			WHERE venue_id = $1`, venueID).Scan(&total)
		if err != nil {
			return err
		}
		if total > maxVenueSeats {
			return domain.ErrVenueFull
		}
		shows, err := lockComingShows(ctx, q, venueID)
		if err != nil {
			return err
		}
		return fillShows(ctx, q, firstID, shows...)
	})
	return added, err
}

func lockComingShows(ctx context.Context, q querier, venueID int64) ([]int64, error) {
	rows, err := q.Query(ctx, `
		SELECT show_id
		FROM shows
		WHERE venue_id = $1 AND start_time > now() AND deleted_at IS NULL
		ORDER BY show_id
		FOR NO KEY UPDATE`, venueID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// DeleteSeats deletes the places that the venue has and returns them by row and number.
func (s *Store) DeleteSeats(ctx context.Context, venueID int64, places []domain.SeatPlace) (deleted, inUse []domain.Seat, err error) {
	seatRows, numbers := placeColumns(places)
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		deleted, inUse = nil, nil
		rows, err := q.Query(ctx, `
			WITH matched AS MATERIALIZED (
				SELECT seat_id, venue_id, seat_row, seat_number,
				       EXISTS (SELECT FROM show_seats WHERE show_seats.seat_id = seats.seat_id)
				       OR EXISTS (SELECT FROM booking_seats WHERE booking_seats.seat_id = seats.seat_id) AS in_use
				FROM seats
				WHERE venue_id = $1
				  AND (seat_row, seat_number) IN (SELECT * FROM unnest($2::text[], $3::integer[]))
			), gone AS (
				DELETE FROM seats
				USING matched
				WHERE seats.seat_id = matched.seat_id
				  AND NOT EXISTS (SELECT FROM matched WHERE in_use)
			)
			SELECT seat_id, venue_id, seat_row, seat_number, in_use
			FROM matched
			ORDER BY length(seat_row), seat_row COLLATE "C", seat_number`, venueID, seatRows, numbers)
		if err != nil {
			return err
		}
		var seat domain.Seat
		var used bool
		_, err = pgx.ForEachRow(rows, []any{&seat.ID, &seat.VenueID, &seat.Row, &seat.Number, &used}, func() error {
			if used {
				inUse = append(inUse, seat)
			} else {
				deleted = append(deleted, seat)
			}
			return nil
		})
		if len(inUse) > 0 {
			deleted = nil
		}
		return err
	})
	return deleted, inUse, err
}

func placeColumns(places []domain.SeatPlace) (rows []string, numbers []int32) {
	rows, numbers = make([]string, len(places)), make([]int32, len(places))
	for i, place := range places {
		rows[i], numbers[i] = place.Row, place.Number
	}
	return rows, numbers
}
