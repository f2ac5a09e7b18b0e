package repository

import (
	"context"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

const maxVenueSeats = 200_000

const (
	// seatColumns are what scanSeat reads.
	seatColumns = `
		seats.seat_id, seats.venue_id, seats.section, seats.section_position, seats.seat_row, seats.seat_number,
		coalesce(seats.seat_label, seats.seat_number::text), seats.category, seats.x, seats.y,
		seats.accessible, seats.companion, seats.restricted_view, coalesce(seats.seat_guid, '')`

	// seatOrder is the order of all lists of seats; domain.SortSeats is the same.
	seatOrder = `seats.section_position, length(seats.seat_row), seats.seat_row COLLATE "C", seats.seat_number`
)

func seatTargets(s *domain.Seat) []any {
	return []any{
		&s.ID, &s.VenueID, &s.Section, &s.SectionPosition, &s.Row, &s.Number, &s.Label, &s.Category, &s.X, &s.Y,
		&s.Accessible, &s.Companion, &s.RestrictedView, &s.GUID,
	}
}

func scanSeat(row pgx.CollectableRow) (seat domain.Seat, err error) {
	err = row.Scan(seatTargets(&seat)...)
	return seat, err
}

func (s *Store) VenueSeats(ctx context.Context, venueID int64) ([]domain.Seat, error) {
	return list(ctx, s, scanSeat, `
		SELECT `+seatColumns+`
		FROM seats
		WHERE venue_id = $1
		ORDER BY `+seatOrder+`
		LIMIT $2`, venueID, maxVenueSeats)
}

// insertSeats adds those whose place the venue lacks. A section that is new comes behind those that are there.
const insertSeats = `
	WITH wanted AS (
		SELECT DISTINCT ON (section, seat_row, seat_number) *
		FROM unnest($2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::float8[], $8::float8[],
		            $9::boolean[], $10::boolean[], $11::boolean[], $12::text[]) WITH ORDINALITY
		     AS wanted (section, seat_row, seat_number, seat_label, category, x, y,
		                accessible, companion, restricted_view, seat_guid, place)
		ORDER BY section, seat_row, seat_number, place
	), known AS (
		SELECT DISTINCT section, section_position
		FROM seats
		WHERE venue_id = $1
	), positions AS (
		SELECT section, section_position
		FROM known
		UNION ALL
		SELECT section, (SELECT coalesce(max(section_position), 0) FROM known) + rank() OVER (ORDER BY min(place))
		FROM wanted
		WHERE section NOT IN (SELECT section FROM known)
		GROUP BY section
	), added AS (
		INSERT INTO seats (venue_id, section, section_position, seat_row, seat_number, seat_label, category, x, y,
		                   accessible, companion, restricted_view, seat_guid)
		SELECT $1, section, section_position, seat_row, seat_number,
		       CASE WHEN seat_label NOT IN ('', seat_number::text) THEN seat_label END,
		       category, x, y, accessible, companion, restricted_view, nullif(seat_guid, '')
		FROM wanted
		JOIN positions USING (section)
		ORDER BY section_position, seat_row, seat_number
		ON CONFLICT ON CONSTRAINT seats_venue_row_number_key DO NOTHING
		RETURNING seat_id
	)
	SELECT count(*), coalesce(min(seat_id), 0)
	FROM added`

// InsertSeats adds the seats whose places the venue lacks, to the venue and to its shows that have not started, and
// returns how many there were. It returns ErrSeatConflict if one has the label or guid of another.
func (s *Store) InsertSeats(ctx context.Context, venueID int64, seats []domain.SeatSpec) (added int, err error) {
	args := append([]any{venueID}, specColumns(seats)...)
	err = s.withinTx(ctx, func(ctx context.Context, q querier) error {
		var firstID int64
		err := q.QueryRow(ctx, insertSeats, args...).Scan(&added, &firstID)
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

// specColumns returns the parameters $2 to $12 of insertSeats.
func specColumns(seats []domain.SeatSpec) []any {
	n := len(seats)
	sections, rows, numbers := make([]string, n), make([]string, n), make([]int32, n)
	labels, categories, guids := make([]string, n), make([]string, n), make([]string, n)
	xs, ys := make([]*float64, n), make([]*float64, n)
	accessible, companion, restricted := make([]bool, n), make([]bool, n), make([]bool, n)
	for i, seat := range seats {
		sections[i], rows[i], numbers[i] = seat.Section, seat.Row, seat.Number
		labels[i], categories[i], guids[i] = seat.Label, seat.Category, seat.GUID
		xs[i], ys[i] = seat.X, seat.Y
		accessible[i], companion[i], restricted[i] = seat.Accessible, seat.Companion, seat.RestrictedView
	}
	return []any{sections, rows, numbers, labels, categories, xs, ys, accessible, companion, restricted, guids}
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
	sections, seatRows, numbers := placeColumns(places)
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		deleted, inUse = nil, nil
		rows, err := q.Query(ctx, `
			WITH matched AS MATERIALIZED (
				SELECT seats.*,
				       EXISTS (SELECT FROM show_seats WHERE show_seats.seat_id = seats.seat_id)
				       OR EXISTS (SELECT FROM booking_seats WHERE booking_seats.seat_id = seats.seat_id) AS in_use
				FROM seats
				WHERE venue_id = $1
				  AND (section, seat_row, seat_number) IN (SELECT * FROM unnest($2::text[], $3::text[], $4::integer[]))
			), gone AS (
				DELETE FROM seats
				USING matched
				WHERE seats.seat_id = matched.seat_id
				  AND NOT EXISTS (SELECT FROM matched WHERE in_use)
			)
			SELECT `+seatColumns+`, in_use
			FROM matched AS seats
			ORDER BY `+seatOrder, venueID, sections, seatRows, numbers)
		if err != nil {
			return err
		}
		var seat domain.Seat
		var used bool
		_, err = pgx.ForEachRow(rows, append(seatTargets(&seat), &used), func() error {
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

func placeColumns(places []domain.SeatPlace) (sections, rows []string, numbers []int32) {
	sections, rows, numbers = make([]string, len(places)), make([]string, len(places)), make([]int32, len(places))
	for i, place := range places {
		sections[i], rows[i], numbers[i] = place.Section, place.Row, place.Number
	}
	return sections, rows, numbers
}

// LockSeats returns the seats of the venue that have one of the ids or guids, and locks them until the transaction ends.
func (s *Store) LockSeats(ctx context.Context, venueID int64, ids []int64, guids []string) ([]domain.Seat, error) {
	return list(ctx, s, scanSeat, `
		SELECT `+seatColumns+`
		FROM seats
		WHERE venue_id = $1 AND (seat_id = ANY ($2::bigint[]) OR seat_guid = ANY ($3::text[]))
		ORDER BY seat_id
		FOR NO KEY UPDATE`, venueID, ids, guids)
}

// UpdateSeats writes all of the seats but their places. It returns ErrSeatConflict if one has the label or guid of
// another.
func (s *Store) UpdateSeats(ctx context.Context, seats []domain.Seat) error {
	ids, specs := make([]int64, len(seats)), make([]domain.SeatSpec, len(seats))
	for i, seat := range seats {
		ids[i], specs[i] = seat.ID, seat.SeatSpec
	}
	columns := specColumns(specs)
	args := append([]any{ids}, columns[3:]...)
	return s.withinTx(ctx, func(ctx context.Context, q querier) error {
		// Labels and guids can trade places: first they get values that no seat has.
		_, err := q.Exec(ctx, `
			UPDATE seats
			SET seat_label = chr(1) || to_hex(seat_id), seat_guid = NULL
			WHERE seat_id = ANY ($1::bigint[])`, ids)
		if err != nil {
			return err
		}
		_, err = q.Exec(ctx, updateSeats, args...)
		return err
	})
}

const updateSeats = `
	UPDATE seats
	SET seat_label = CASE WHEN changed.seat_label NOT IN ('', seat_number::text) THEN changed.seat_label END,
	    category = changed.category, x = changed.x, y = changed.y, accessible = changed.accessible,
	    companion = changed.companion, restricted_view = changed.restricted_view, seat_guid = nullif(changed.seat_guid, '')
	FROM unnest($1::bigint[], $2::text[], $3::text[], $4::float8[], $5::float8[], $6::boolean[], $7::boolean[],
	            $8::boolean[], $9::text[])
	     AS changed (seat_id, seat_label, category, x, y, accessible, companion, restricted_view, seat_guid)
	WHERE seats.seat_id = changed.seat_id`
