package repository

import (
	"context"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

// list runs a query and returns its rows.
func list[T any](ctx context.Context, s *Store, scan pgx.RowToFunc[T], sql string, args ...any) (items []T, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		items, err = pgx.CollectRows(rows, scan)
		return err
	})
	return items, err
}

// collect queues a query that puts its rows into items.
func collect[T any](batch *pgx.Batch, items *[]T, scan pgx.RowToFunc[T], sql string, args ...any) {
	batch.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
		*items, err = pgx.CollectRows(rows, scan)
		return err
	})
}

// page cuts items, of which limit+1 were asked for, to limit and reports whether there were more.
func page[T any](items []T, limit int) (cut []T, more bool) {
	return items[:min(limit, len(items))], len(items) > limit
}

// one runs a statement that returns one row, or missing if it returns none.
func one[T any](
	ctx context.Context, s *Store, scan pgx.RowToFunc[T], missing *domain.Error, sql string, args ...any,
) (item T, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		item, err = pgx.CollectExactlyOneRow(rows, scan)
		return notFound(err, missing)
	})
	return item, err
}

// exec runs a statement and returns the number of rows that it changed.
func (s *Store) exec(ctx context.Context, sql string, args ...any) (changed int, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		tag, err := q.Exec(ctx, sql, args...)
		changed = int(tag.RowsAffected())
		return err
	})
	return changed, err
}
