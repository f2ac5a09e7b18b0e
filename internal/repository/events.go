package repository

import (
	"context"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

func (s *Store) CreateEvent(ctx context.Context, title string) (domain.Event, error) {
	return one(ctx, s, pgx.RowToStructByPos[domain.Event], domain.ErrEventNotFound, `
		INSERT INTO events (title, title_folded)
		VALUES ($1, $2)
		RETURNING event_id, title, created_at`, title, domain.Fold(title))
}

func (s *Store) ListEvents(ctx context.Context, afterID int64, limit int) ([]domain.Event, bool, error) {
	events, err := list(ctx, s, pgx.RowToStructByPos[domain.Event], `
		SELECT event_id, title, created_at
		FROM events
		WHERE event_id > $1
		ORDER BY event_id
		LIMIT $2`, afterID, limit+1)
	events, more := page(events, limit)
	return events, more, err
}

func (s *Store) Event(ctx context.Context, id int64) (domain.Event, error) {
	return one(ctx, s, pgx.RowToStructByPos[domain.Event], domain.ErrEventNotFound, `
		SELECT event_id, title, created_at
		FROM events
		WHERE event_id = $1`, id)
}

func (s *Store) UpdateEvent(ctx context.Context, id int64, title string) (domain.Event, error) {
	return one(ctx, s, pgx.RowToStructByPos[domain.Event], domain.ErrEventNotFound, `
		UPDATE events
		SET title = $2, title_folded = $3
		WHERE event_id = $1
		RETURNING event_id, title, created_at`, id, title, domain.Fold(title))
}

func (s *Store) DeleteEvent(ctx context.Context, id int64) error {
	return s.run(ctx, func(ctx context.Context, q querier) error {
		tag, err := q.Exec(ctx, `
			DELETE FROM events
			WHERE event_id = $1`, id)
		switch {
		case violated(err) == "shows_event_fkey":
			return showsInTheWay(ctx, q, domain.ErrEventHasShows.WithCause(err), `
				SELECT show_id, deleted_at IS NOT NULL
				FROM shows
				WHERE event_id = $1
				ORDER BY deleted_at IS NOT NULL, show_id
				LIMIT $2`, id)
		case err != nil:
			return err
		case tag.RowsAffected() == 0:
			return domain.ErrEventNotFound
		}
		return nil
	})
}
