package repository

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

// fillShows adds to each show the seats of its venue that it lacks, among those with an id of at least fromSeat,
// and updates its number of seats.
func fillShows(ctx context.Context, q querier, fromSeat int64, showIDs ...int64) error {
	batch := &pgx.Batch{}
	batch.Queue(`
		INSERT INTO show_seats (show_id, seat_id)
		SELECT show_id, seat_id
		FROM shows
		JOIN seats USING (venue_id)
		WHERE show_id = ANY ($1::bigint[]) AND seat_id >= $2
		ON CONFLICT ON CONSTRAINT show_seats_pkey DO NOTHING`, showIDs, fromSeat)
	batch.Queue(`
		UPDATE shows
		SET total_seats = (SELECT count(*) FROM seats WHERE seats.venue_id = shows.venue_id)
		WHERE show_id = ANY ($1::bigint[])`, showIDs)
	return q.SendBatch(ctx, batch).Close()
}

const maxShowsNamed = 20

// showsInTheWay returns conflict with the shows in its details that keep a venue or event from being deleted.
func showsInTheWay(ctx context.Context, q querier, conflict *domain.Error, query string, id int64) error {
	rows, err := q.Query(ctx, query, id, maxShowsNamed)
	if err != nil {
		return err
	}
	var (
		showID  int64
		deleted bool
		details []string
		visible bool
	)
	_, err = pgx.ForEachRow(rows, []any{&showID, &deleted}, func() error {
		if deleted {
			details = append(details, fmt.Sprintf("show %d: was deleted and is kept because it was paid for", showID))
		} else {
			details, visible = append(details, fmt.Sprintf("show %d", showID)), true
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(details) > 0 && !visible {
		conflict = conflict.WithMessage(conflict.Message + " that were deleted and are kept because they were paid for")
	}
	return conflict.WithDetails(details...)
}
